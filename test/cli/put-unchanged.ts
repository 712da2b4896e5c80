import {
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import { runCli } from '../../fixtures/run-cli.js'
import { useHome } from '../../fixtures/use-home.js'

const RECORDER = new URL('../../fixtures/record-reads.js', import.meta.url).href
const LARGE = 'large '.repeat(100_000)

/** A folder of files that are older than the clock, and what puts something of it. */
async function prepare(t: Parameters<typeof useHome>[0], files: Record<string, string>) {
  const { folder, home } = useHome(t, { data: files })
  const data = join(folder, 'data')
  const list = join(folder, 'reads')
  // Files whose times are as young as the clock are read again, and small ones for a second.
  await sleep(1100)
  /** @returns which files were opened, and what the command told. */
  const put = async (...paths: string[]) => {
    writeFileSync(list, '')
    const { json, stderr } = await runCli(['put', ...paths, '-n', 'p/data', '--json'], {
      cwd: data,
      env: { ARTIFACT_HOME: home, NODE_OPTIONS: `--import=${RECORDER}`, READS_FILE: list },
    })
    if (!json) throw new Error(stderr)
    const opened = readFileSync(list, 'utf8').split('\n')
    const read = opened
      .filter(path => path.startsWith(data) && !path.endsWith('.artifactignore'))
      .map(path => path.slice(data.length + 1))
    return { ...json, read: read.sort() }
  }
  return { data, home, put }
}

t.test('files of a folder that look unchanged are not read', async t => {
  const names = Array.from({ length: 50 }, (_, index) => `f${index}`)
  const files = Object.fromEntries(names.map(name => [name, `content of ${name}`]))
  const { data, put } = await prepare(t, files)
  t.match(await put('.'), { version: 'v0', read: { length: 50 } })
  t.same((await put('.')).read, [])
  writeFileSync(join(data, 'f7'), 'CONTENT OF f7')
  t.match(await put('.'), { version: 'v1', read: ['f7'], dedup: { files: 49, newBytes: 13 } })
})

t.test('files that are named alone are not read when they look unchanged', async t => {
  const { data, put } = await prepare(t, { small: 'small', LARGE, empty: '', other: 'other' })
  const all = ['LARGE', 'empty', 'other', 'small']
  t.match(await put(...all), { version: 'v0', read: all, dedup: { files: 0 } })
  t.match(await put(...all), { version: 'v0', unchanged: true, read: [], dedup: { files: 4 } })
  writeFileSync(join(data, 'small'), 'SMALL')
  t.match(await put(...all), { version: 'v1', read: ['small'], dedup: { files: 3 } })

  const { mtime } = statSync(join(data, 'LARGE'))
  writeFileSync(join(data, 'twin'), LARGE.toUpperCase())
  utimesSync(join(data, 'twin'), mtime, mtime)
  renameSync(join(data, 'twin'), join(data, 'LARGE'))
  t.match(await put(...all), { version: 'v2', read: ['LARGE'] }, 'of another inode')

  symlinkSync('small', join(data, 'link'))
  await sleep(1100)
  t.same((await put('link')).read, ['link'])
  t.same((await put('link')).read, [])
  rmSync(join(data, 'link'))
  symlinkSync('other', join(data, 'link'))
  t.match(
    await put('link'),
    { size: 5, read: ['link'] },
    'what it leads to was read by another name',
  )
})

t.test('a folder and a file in it are remembered beside each other', async t => {
  const { data, put } = await prepare(t, { a: 'a', b: 'b', LARGE })
  const both = async () => [(await put('.')).read, (await put('LARGE')).read]
  t.same(await both(), [['LARGE', 'a', 'b'], ['LARGE']])
  t.same(await both(), [[], []])
  writeFileSync(join(data, 'LARGE'), LARGE.toUpperCase())
  await sleep(100)
  t.same(await both(), [['LARGE'], ['LARGE']])
  t.same(await both(), [[], []])
})

t.test('a file whose times are not past is read each time', async t => {
  const { data, put } = await prepare(t, { LARGE })
  const future = new Date(Date.now() + 3_600_000)
  utimesSync(join(data, 'LARGE'), future, future)
  t.same((await put('LARGE')).read, ['LARGE'])
  t.same((await put('LARGE')).read, ['LARGE'])
})

t.test('what the store lost is read again', async t => {
  const { home, put } = await prepare(t, { LARGE })
  await put('LARGE')
  const objects = join(home, 'objects')
  const found = readdirSync(objects, { recursive: true, withFileTypes: true })
  const [object] = found.filter(entry => entry.isFile())
  rmSync(join(object!.parentPath, object!.name))
  const env = { ARTIFACT_HOME: home }
  await runCli(['repair'], { env })
  t.match(await put('LARGE'), { unchanged: true, read: ['LARGE'] })
  t.match(await runCli(['verify', '--store'], { env }), { code: 0 })
  t.same((await put('LARGE')).read, [])

  rmSync(join(home, 'catalog'), { recursive: true })
  t.match(await put('LARGE'), { unchanged: true, read: ['LARGE'] }, 'the cache went with the index')
})
