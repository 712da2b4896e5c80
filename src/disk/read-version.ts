import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

/** The version of this program. */
export function readVersion(): string {
  const path = fileURLToPath(import.meta.resolve('#package'))
  return (JSON.parse(readFileSync(path, 'utf8')) as { version: string }).version
}
