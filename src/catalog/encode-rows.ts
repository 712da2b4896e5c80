import type { IndexTable } from '../pack/index-record.js'

/** An entry of LevelDB that says where content lies. */
export interface EncodedPlace {
  key: Buffer
  value: Buffer
}

/** Of an entry at most, without the digest: 3 of key and 30 of value. */
const PLACE_BYTES = 33

/**
 * What `locationKey` and `encodeLocation` make of the rows of a pack's index, without decoding them:
 * there is one for every small file.
 */
export function encodeRows({ body, starts }: IndexTable, packId: string): EncodedPlace[] {
  const pack = Buffer.from(packId, 'hex')
  const length = starts.reduce((sum, start) => sum + PLACE_BYTES + body[start + 3]!, 0)
  const room = Buffer.allocUnsafe(length)
  let end = 0
  return starts.map(start => {
    const numbers = start + 4 + body[start + 3]!
    const from = end
    room[end++] = 0x62
    room[end++] = body[start]!
    room[end++] = body[start + 1]!
    end = copy(body, start + 4, numbers, { room, end })
    const key = room.subarray(from, end)
    const middle = end
    room[end++] = 1
    room[end++] = body[start + 2]!
    end = copy(pack, 0, pack.length, { room, end })
    end = copy(body, numbers, numbers + 8, { room, end })
    end = copy(body, numbers + 16, numbers + 20, { room, end })
    const isLong = body.readUInt32LE(numbers + 12) > 0
    end = copy(body, numbers + 8, numbers + (isLong ? 16 : 12), { room, end })
    return { key, value: room.subarray(middle, end) }
  })
}

/** A loop: for a few bytes a call of the engine takes longer. */
function copy(
  from: Buffer,
  start: number,
  stop: number,
  { room, end }: { room: Buffer; end: number },
): number {
  for (let at = start; at < stop; at += 1) room[end + at - start] = from[at]!
  return end + stop - start
}
