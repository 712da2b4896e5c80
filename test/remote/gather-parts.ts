import t from 'tap'
import { gatherParts } from '../../src/remote/gather-parts.js'

async function* give(lengths: number[], given: Uint8Array[], error?: Error) {
  for (const [index, length] of lengths.entries()) {
    const part = new Uint8Array(length).fill(index + 1)
    given.push(part)
    yield part
  }
  if (error) throw error
}

t.test('parts are gathered in memory that is used again, and given back', async t => {
  const lengths = [3, 10, 0, 25, 1, ...Array(40).fill(7)]
  const given: Uint8Array[] = []
  const whole = Buffer.concat(lengths.map((length, index) => Buffer.alloc(length, index + 1)))
  const parts: Buffer[] = []
  const memory = new Set<unknown>()
  for await (const part of gatherParts(give(lengths, given), 10)) {
    parts.push(Buffer.from(part))
    memory.add(part.buffer)
  }
  t.ok(Buffer.concat(parts).equals(whole))
  t.ok(parts.slice(0, -1).every(({ length }) => length === 10))
  t.equal(memory.size, 1)
  t.ok(given.filter(({ buffer }) => buffer.byteLength === 0).length >= 32)
})

t.test('what came before an error comes before it', async t => {
  const parts: Buffer[] = []
  const error = new Error('cut')
  const gather = async () => {
    for await (const part of gatherParts(give([4, 4], [], error), 100)) {
      parts.push(Buffer.from(part))
    }
  }
  await t.rejects(gather(), error)
  t.same(parts, [Buffer.from([1, 1, 1, 1, 2, 2, 2, 2])])
})
