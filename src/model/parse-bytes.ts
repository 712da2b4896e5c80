const UNITS = ['', 'k', 'm', 'g', 't']

/** `10MB` is 10,000,000, `10MiB` 10 × 1024²; without a unit bytes. Undefined for anything else. */
export function parseBytes(text: string): number | undefined {
  const match = /^(\d{1,15}(?:\.\d{1,6})?) ?([kmgt]?)(i?)b?$/i.exec(text.trim())
  if (!match) return undefined
  const [, number, unit = '', binary] = match
  const power = UNITS.indexOf(unit.toLowerCase())
  if (binary && power === 0) return undefined
  return Math.round(Number(number) * (binary ? 1024 : 1000) ** power)
}
