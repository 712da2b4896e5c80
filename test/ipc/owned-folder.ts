import { existsSync, mkdirSync, mkdtempSync, rmSync, utimesSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import { createOwnedFolder } from '../../src/ipc/owned-folder.js'

const DAY_MS = 24 * 3600 * 1000

t.test('folders that nobody announced are removed after a day', async t => {
  const parent = mkdtempSync(join(tmpdir(), 'artifactd-own-'))
  t.teardown(() => rmSync(parent, { recursive: true }))
  /** A folder as a process leaves it that was killed, so long ago. */
  const leave = (name: string, days: number, announcement?: string) => {
    const path = join(parent, name)
    mkdirSync(path)
    writeFileSync(join(path, 'left.pack'), 'half a pack')
    if (announcement !== undefined) writeFileSync(join(path, 'writer.json'), announcement)
    const time = (Date.now() - days * DAY_MS) / 1000
    utimesSync(path, time, time)
    return path
  }
  const old = [
    leave('000000000001', 2),
    leave('000000000002', 2, '{"address":'),
    leave('000000000003', 2, '{}'),
  ]
  const kept = [leave('000000000004', 0.5), leave('000000000005', 0.5, '{}'), leave('begun', 9)]
  const listening = leave('000000000006', 2)
  const server = createServer(socket => socket.end())
  await new Promise<void>(done => server.listen(join(listening, 'x.new'), done))
  const time = (Date.now() - 2 * DAY_MS) / 1000
  utimesSync(listening, time, time)

  const own = await createOwnedFolder(parent)
  t.same(old.filter(existsSync), [])
  t.same(kept.filter(existsSync), kept)
  t.ok(existsSync(listening), 'its owner is there, and slow')
  await own.close()
  t.notOk(existsSync(own.path))

  await new Promise(done => server.close(done))
  utimesSync(listening, time, time)
  await (await createOwnedFolder(parent)).close()
  t.notOk(existsSync(listening))
})
