const SECONDS = { s: 1, m: 60, h: 3600, d: 86_400 } as const

/** `90s`, `15m`, `24h` or `30d` in milliseconds. Undefined for anything else. */
export function parseDuration(text: string): number | undefined {
  const match = /^(\d{1,9}) ?([smhd])$/.exec(text.trim())
  if (!match) return undefined
  return Number(match[1]) * SECONDS[match[2] as keyof typeof SECONDS] * 1000
}
