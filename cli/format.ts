import type { LoggedArtifact } from '../src/artifact/logged-artifact.js'

const UNITS = ['B', 'KiB', 'MiB', 'GiB', 'TiB']

/** `1.4 GiB`: powers of 1024, three digits. */
export function formatBytes(bytes: number): string {
  const power = Math.min(Math.floor(Math.log2(Math.max(bytes, 1)) / 10), UNITS.length - 1)
  const value = bytes / 1024 ** power
  return `${power === 0 ? value : Number(value.toPrecision(3))} ${UNITS[power]}`
}

/** `project/name:v3`, and by its id what has no number. */
export function labelVersion(version: LoggedArtifact): string {
  const { project, name, id, versionOrNull } = version
  return `${project}/${name}${versionOrNull === null ? `@${id.slice(0, 8)}` : `:${versionOrNull}`}`
}

/** `12,345`: as `toLocaleString('en-US')` of a whole number, which takes 20 ms the first time. */
export function formatCount(number: number): string {
  return String(number).replace(/\B(?=(?:\d{3})+$)/g, ',')
}

/** `1 file`, `2 files`. */
export function count(number: number, noun: string): string {
  return `${formatCount(number)} ${noun}${number === 1 ? '' : 's'}`
}

/** Left-aligned columns, two spaces apart. */
export function formatTable(rows: string[][]): string {
  const widths: number[] = []
  for (const row of rows) {
    row.forEach((cell, index) => {
      widths[index] = Math.max(widths[index] ?? 0, cell.length)
    })
  }
  const line = (row: string[]) => row.map((cell, index) => cell.padEnd(widths[index]!)).join('  ')
  return rows.map(row => line(row).trimEnd()).join('\n')
}
