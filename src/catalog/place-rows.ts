import type { Caller } from '../ipc/rpc.js'
import type { KeyRef, Location } from './catalog.js'
import { decodeLocation, MAX_KEY_BYTES, MAX_LOCATION_BYTES, writeLocationKey } from './keys.js'

// What `locate` asks and answers between processes: bytes, in base64, since an object for each small
// file takes longer to write and to parse than to look up. A row is a length and as many bytes.

/** The same methods of another process, of which `locate` is asked and answered in rows. */
export function locateInRows(caller: Caller): Caller {
  const call = async <T>(method: string, args: unknown[]) => {
    if (method !== 'locate') return caller.call<T>(method, args)
    const [refs] = args as [KeyRef[]]
    return decodePlaces(await caller.call<string>(method, [encodeRefs(refs)])) as T
  }
  return { call, closed: caller.closed, close: () => caller.close() }
}

/** @returns rows of `locationKey`s. */
export function encodeRefs(refs: KeyRef[]): string {
  const rows = Buffer.allocUnsafe(refs.length * (1 + MAX_KEY_BYTES))
  let end = 0
  for (const ref of refs) {
    const start = end + 1
    end = writeLocationKey(ref, rows, start)
    rows[start - 1] = end - start
  }
  return rows.toString('base64', 0, end)
}

/** The keys among the rows. */
export function splitRefs(text: string): Buffer[] {
  const rows = Buffer.from(text, 'base64')
  const keys: Buffer[] = []
  for (let at = 0; at < rows.length; at += 1 + rows[at]!) {
    keys.push(rows.subarray(at + 1, at + 1 + rows[at]!))
  }
  return keys
}

/** @param values as `encodeLocation` makes them. @returns rows, without bytes for what is undefined. */
export function encodePlaces(values: (Buffer | undefined)[]): string {
  const rows = Buffer.allocUnsafe(values.length * (1 + MAX_LOCATION_BYTES))
  let end = 0
  for (const value of values) {
    rows[end++] = value?.length ?? 0
    if (!value) continue
    rows.set(value, end)
    end += value.length
  }
  return rows.toString('base64', 0, end)
}

export function decodePlaces(text: string): (Location | null)[] {
  const rows = Buffer.from(text, 'base64')
  const places: (Location | null)[] = []
  for (let at = 0; at < rows.length; at += 1 + rows[at]!) {
    places.push(rows[at] === 0 ? null : decodeLocation(rows, at + 1, at + 1 + rows[at]!))
  }
  return places
}
