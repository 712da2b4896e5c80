import { join } from 'node:path'
import t, { type Test } from 'tap'
import { logFiles } from '../../fixtures/log-files.js'
import { serveStores } from '../../fixtures/server/serve-stores.js'
import type { Fault } from '../../fixtures/weather/fault.js'
import { startWeather } from '../../fixtures/weather/start-weather.js'
import { openHttpRemote } from '../../src/remote/http-remote.js'
import { openStore, type Store } from '../../src/store/store.js'
import { pullVersion } from '../../src/sync/pull.js'
import { pushPending } from '../../src/sync/push.js'

const CATS = { entity: 'default', project: 'p', name: 'cats' }

/** Two machines, and a server to which only the first one's way is bad. */
async function setUp(t: Test) {
  const { folder, local: ada, served, server } = await serveStores(t)
  const bob = openStore(join(folder, 'bob'))
  t.teardown(() => bob.close())
  const weather = await startWeather(server.url)
  t.teardown(() => weather.close())
  const push = (store: Store) => {
    const remote = openHttpRemote({ url: store === ada ? weather.url : server.url })
    return pushPending(store, () => remote, { defaultRemote: server.url })
  }
  /** The `n`-th commit of Ada's from now is done, and its answer lost. */
  const loseAnswer = (n: number) => {
    let commits = 0
    weather.next = ({ url }): Fault | undefined => {
      if (!url?.endsWith('/commit')) return undefined
      commits += 1
      return commits === n ? { kind: 'lose-answer' } : undefined
    }
  }
  const clear = () => {
    weather.next = () => undefined
  }
  const list = async (store: Store) => {
    const { items } = await store.catalog.listVersions(CATS)
    return items.map(({ id, number, aliases }) => ({ id, number, aliases }))
  }
  return { ada, bob, served, server, push, loseAnswer, clear, list }
}

t.test('an alias whose answer was lost does not move back over another machine', async t => {
  const { ada, bob, served, server, push, loseAnswer, clear, list } = await setUp(t)
  const first = await logFiles(ada, { a: 'ada' })
  await push(ada)
  await logFiles(ada, { a: 'ada' }, { aliases: ['best'] })
  loseAnswer(1)
  t.match(await push(ada), { pending: 1, errors: [{ code: 'REMOTE_UNREACHABLE' }] })
  t.match(await list(served), [{ id: first.id, aliases: ['best', 'latest'] }], 'it was done')

  const second = await logFiles(bob, { a: 'bob' }, { aliases: ['best'] })
  t.match(await push(bob), { synced: [{ id: second.id, number: 1 }] })
  clear()
  t.match(await push(ada), { synced: [{ kind: 'alias', number: 0 }], failed: [], pending: 0 })
  const wanted = [
    { id: first.id, number: 0, aliases: [] },
    { id: second.id, number: 1, aliases: ['best', 'latest'] },
  ]
  t.same(await list(served), wanted)
  const remote = openHttpRemote({ url: server.url })
  await pullVersion(ada, remote, await remote.findVersion(CATS, { kind: 'alias', alias: 'best' }))
  t.same(await list(ada), wanted, 'nor here')
})

t.test('a version whose answer was lost keeps its number when another machine wrote', async t => {
  const { ada, bob, served, push, loseAnswer, clear, list } = await setUp(t)
  const first = await logFiles(ada, { a: '1' }, { aliases: ['best'] })
  // The first commit asks for the content.
  loseAnswer(2)
  t.match(await push(ada), { pending: 1, errors: [{ code: 'REMOTE_UNREACHABLE' }] })
  t.match(await list(served), [{ id: first.id, number: 0 }], 'it was done')
  const second = await logFiles(bob, { a: '2' }, { aliases: ['best'] })
  t.match(await push(bob), { synced: [{ number: 1 }] })
  clear()
  t.match(await push(ada), { synced: [{ id: first.id, number: 0, unchanged: false }], pending: 0 })
  t.same(await list(served), [
    { id: first.id, number: 0, aliases: [] },
    { id: second.id, number: 1, aliases: ['best', 'latest'] },
  ])
})

t.test('two machines that were offline get their numbers in the order of arrival', async t => {
  const { ada, bob, served, push, list } = await setUp(t)
  const log = async (store: Store, text: string) => (await logFiles(store, { a: text })).id
  const one = [await log(ada, 'a0'), await log(ada, 'a1')]
  const two = [await log(bob, 'b0'), await log(bob, 'b1')]
  t.match(await list(bob), [{ number: 0 }, { number: 1 }], 'provisional')
  await push(ada)
  t.match(await push(bob), { synced: [{ number: 2 }, { number: 3 }] })
  two.push(await log(bob, 'b2'))
  one.push(await log(ada, 'a2'))
  await push(bob)
  t.match(await push(ada), { synced: [{ id: one[2], number: 5 }] })

  const order = [one[0], one[1], two[0], two[1], two[2], one[2]]
  t.same(
    (await list(served)).map(({ id }) => id),
    order,
  )
  t.same(
    (await list(bob)).map(({ id, number }) => [id, number]),
    two.map(id => [id, order.indexOf(id)]),
    'the provisional numbers became those of the server',
  )
  for (const number of [0, 1]) {
    await t.rejects(bob.catalog.findVersion(CATS, { kind: 'number', number }), {
      code: 'VERSION_RENUMBERED',
      message: new RegExp(two[number]!.slice(0, 8)),
    })
  }
  const { version } = await bob.catalog.findVersion(CATS, { kind: 'number', number: 2 })
  t.equal(version.id, two[0], 'its new number leads to it')
  t.equal((await bob.catalog.findVersion(CATS, { kind: 'id', id: two[1]! })).version.number, 3)
  // Ada had v2 of her own, which is Bob's now.
  await t.rejects(ada.catalog.findVersion(CATS, { kind: 'number', number: 2 }), {
    code: 'VERSION_RENUMBERED',
  })
})
