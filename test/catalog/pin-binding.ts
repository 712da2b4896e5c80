import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { Worker } from 'node:worker_threads'
import t from 'tap'

t.test(
  'the native part of LevelDB outlives the thread that loaded it',
  { skip: process.platform !== 'linux' && 'only Linux lists what is mapped' },
  async t => {
    const module = new URL('../../src/catalog/open-database.js', import.meta.url)
    const isMapped = () =>
      /classic-level[^/]*\.node$/m.test(readFileSync('/proc/self/maps', 'utf8'))
    t.notOk(isMapped(), 'it is not loaded here')
    const worker = new Worker(
      `import(${JSON.stringify(module)}).then(async ({ openDatabase }) => {
        const db = await openDatabase(${JSON.stringify(join(t.testdir(), 'db'))})
        await db.close()
      })`,
      { eval: true },
    )
    const [code] = await once(worker, 'exit')
    t.equal(code, 0)
    t.ok(isMapped())
  },
)
