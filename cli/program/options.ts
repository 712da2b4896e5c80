import { InvalidArgumentError, Option } from '@commander-js/extra-typings'

export function jsonOption() {
  return new Option('--json', 'print one JSON value on standard output')
}

/** Of an option that may be repeated. */
export function collect(value: string, others: string[] | undefined): string[] {
  return [...(others ?? []), value]
}

export function parseCount(text: string): number {
  if (/^[1-9]\d{0,14}$/.test(text)) return Number(text)
  throw new InvalidArgumentError('It is not a whole number from 1.')
}
