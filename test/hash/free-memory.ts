import t from 'tap'
import { freeMemory } from '../../src/hash/free-memory.js'

t.test('parts that fill their memory are left empty, others are not touched', async t => {
  const own = new Uint8Array(1000).fill(1)
  const shared = Buffer.alloc(1000, 2)
  const part = shared.subarray(10, 20)
  freeMemory([own, own, part, new Uint8Array(0)])
  t.equal(own.length, 0)
  t.equal(part[0], 2)
  freeMemory([])
})

t.test('what passes through does not stay', async t => {
  const before = process.memoryUsage().external
  for (let round = 0; round < 40; round += 1) {
    freeMemory(Array.from({ length: 16 }, () => new Uint8Array(64 * 1024)))
  }
  t.ok(process.memoryUsage().external - before < 8 * 1024 * 1024)
})
