import { spawnSync } from 'node:child_process'
import t from 'tap'

const url = (path: string) => JSON.stringify(new URL(path, import.meta.url))

/** A program that starts a worker, perhaps gives it a task, and has nothing else to do. */
function program(task: string): string {
  return `
    import { TaskWorker } from ${url('../../src/hash/task-worker.js')}
    const worker = new TaskWorker(new URL(${url('../../src/store/ingest-worker.js')}), null)
    const first = { do: 'open', home: '/', storeId: '', folder: '/', algorithm: 'xxh128' }
    ${task}
    console.log('end', worker.open)
  `
}

function run(task: string) {
  const args = ['--input-type=module', '-e', program(task)]
  return spawnSync(process.execPath, args, { encoding: 'utf8', timeout: 60_000 })
}

t.test('a worker holds the process only while a task is open', async t => {
  const tasks = {
    'never used': '',
    'a task that is done': `await worker.run(first); await worker.run({ do: 'readBytes', batch: 0, kind: 'blob', parts: [] })`,
    'a task that failed': `await worker.run(first); await worker.run({ do: 'scan', scan: { folders: [{ folder: 'no such', ancestors: [''], record: null }], root: '/', patterns: [], epoch: '', refuseLinks: false, digestBytes: 16 } }).catch(error => console.log(error.code))`,
  }
  for (const [name, task] of Object.entries(tasks)) {
    const { status, stdout } = run(task)
    t.equal(status, 0, `${name}: the process ended by itself`)
    t.match(stdout, /end 0/, name)
  }
  t.match(run(tasks['a task that failed']).stdout, /^FILE_NOT_FOUND/)
})

const READ = `worker.run({ do: 'readBytes', batch: 0, kind: 'blob', parts: [new Uint8Array(9)] })`

t.test('a thread that ends fails its open tasks', async t => {
  const { stdout } = run(`
    const failed = [worker.run(first), ${READ}].map(open => open.catch(error => error.code))
    await worker.close()
    console.log(...(await Promise.all(failed)))
  `)
  t.match(stdout, /^STORE_FAILED STORE_FAILED$/m)
  t.match(stdout, /end 0/)
})

t.test('a process stays until its thread has ended, also when that answers meanwhile', async t => {
  const { status, stdout } = run(`
    await worker.run(first)
    ${READ}
    // The answer is there, and is looked at once the thread is to end.
    for (const end = Date.now() + 200; Date.now() < end; );
    await worker.close()
  `)
  t.equal(status, 0)
  t.match(stdout, /end 0/)
})
