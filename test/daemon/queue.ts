import t from 'tap'
import { PassQueue } from '../../daemon/pass-queue.js'
import { RetryDelay } from '../../daemon/retry-delay.js'
import { createReport } from '../../src/sync/sync-report.js'

t.test('requests during a pass share the next one', async t => {
  const passes: boolean[] = []
  const releases: (() => void)[] = []
  const queue = new PassQueue(async ({ retryFailed }) => {
    passes.push(retryFailed)
    await new Promise<void>(resolve => releases.push(resolve))
    return { ...createReport(), pending: passes.length }
  })
  const first = queue.request({ retryFailed: false })
  while (releases.length < 1) await new Promise(setImmediate)
  const second = queue.request({ retryFailed: false })
  const third = queue.request({ retryFailed: true })
  t.same(passes, [false])
  releases[0]?.()
  t.equal((await first).pending, 1)
  while (releases.length < 2) await new Promise(setImmediate)
  releases[1]?.()
  t.equal((await second).pending, 2)
  t.equal((await third).pending, 2)
  t.same(passes, [false, true])
  await queue.drain()
  t.equal(queue.isRunning, false)
})

t.test('a failed pass rejects its requests and not the next', async t => {
  let count = 0
  const queue = new PassQueue(async () => {
    count += 1
    if (count === 1) throw new Error('no luck')
    return createReport()
  })
  await t.rejects(queue.request({ retryFailed: false }), { message: 'no luck' })
  t.same(await queue.request({ retryFailed: false }), createReport())
})

t.test('delays double up to a minute, with jitter, and begin anew after a success', async t => {
  const longest = new RetryDelay(() => 1)
  const delays = Array.from({ length: 8 }, () => longest.next())
  t.same(delays, [1000, 2000, 4000, 8000, 16_000, 32_000, 60_000, 60_000])
  t.equal(new RetryDelay(() => 0).next(), 500)
  longest.reset()
  t.equal(longest.next(), 1000)
})
