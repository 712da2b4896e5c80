import t from 'tap'
import { RateLimit, sharedLimit } from '../../src/net/rate-limit.js'

/** A limit over a clock that only waiting moves on; many may wait. */
function makeLimit(bytesPerSecond: number) {
  let time = 1000
  const sleepers: { at: number; wake: () => void }[] = []
  const limit = new RateLimit(bytesPerSecond, {
    now: () => time,
    wait: ms => new Promise<void>(wake => sleepers.push({ at: time + ms, wake })),
  })
  /** Lets so many milliseconds pass. */
  const pass = async (ms: number) => {
    const end = time + ms
    for (;;) {
      await new Promise(setImmediate)
      sleepers.sort((a, b) => a.at - b.at)
      const next = sleepers[0]
      if (!next || next.at > end) break
      sleepers.shift()
      time = next.at
      next.wake()
    }
    time = end
  }
  return { limit, pass }
}

async function* repeat(part: Uint8Array) {
  for (;;) yield part
}

t.test('so many bytes pass in a second, of all streams together', async t => {
  const rate = 1_000_000
  const { limit, pass } = makeLimit(rate)
  let passed = 0
  let longest = 0
  const read = async (parts: AsyncIterable<Uint8Array>) => {
    for await (const part of limit.pass(parts)) {
      passed += part.length
      longest = Math.max(longest, part.length)
    }
  }
  void read(repeat(Buffer.alloc(4_000_000)))
  void read(repeat(Buffer.alloc(300)))
  await pass(10_000)
  t.ok(passed <= 10.5 * rate, `${passed} bytes in ten seconds`)
  t.ok(passed >= 9.9 * rate, `${passed} bytes in ten seconds`)
  t.ok(longest <= 64 * 1024, 'in parts that keep the connection moving')
})

t.test('what was not used does not add up', async t => {
  const { limit, pass } = makeLimit(1000)
  await limit.take(1)
  await pass(3_600_000)
  let taken = 0
  for (let n = 0; n < 100; n++) void limit.take(10).then(() => (taken += 10))
  await pass(100)
  t.ok(taken <= 400, `${taken} bytes`)
})

t.test('a change binds what is under way, and none lets everything pass', async t => {
  const { limit, pass } = makeLimit(Number.POSITIVE_INFINITY)
  let passed = 0
  const read = async () => {
    for await (const part of limit.pass(repeat(Buffer.alloc(50_000)))) {
      passed += part.length
      if (passed === 10_000_000) limit.change(100_000)
    }
  }
  void read()
  await pass(1)
  t.ok(passed >= 10_000_000 && passed < 10_200_000, `${passed} bytes at once`)
  await pass(10_000)
  t.ok(passed > 10_900_000 && passed < 11_200_000, `${passed} bytes after ten seconds`)
})

t.test('a signal ends the wait', async t => {
  const limit = new RateLimit(1)
  await limit.take(1000)
  const abort = new AbortController()
  const waiting = limit.take(1, abort.signal)
  abort.abort()
  await t.rejects(waiting, { name: 'AbortError' })
})

t.test('one limit for all who ask for the same rate', async t => {
  t.equal(sharedLimit(10_000), sharedLimit(10_000))
  t.not(sharedLimit(10_000), sharedLimit(20_000))
})
