import { spawnSync } from 'node:child_process'
import {
  appendFileSync,
  readFileSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { createHasher, hashBytes } from '../../src/hash/hasher.js'
import { digestFromBytes } from '../../src/model/digest.js'
import { FileIngester, LARGE_BYTES } from '../../src/store/file-ingester.js'
import { scanFolder } from '../../src/store/scan-folder.js'

const hasher = await createHasher('xxh128')

/** A folder with a file as it was scanned, and what reads it afterwards. */
function scan(t: Test, size: number) {
  const root = t.testdir({
    data: { file: 'o'.repeat(size) },
    folder: {},
    other: 'other',
    home: { packs: {} },
    tmp: {},
  })
  const data = join(root, 'data')
  const home = join(root, 'home')
  const options = { root: data, folder: '', ancestors: [data], home, rules: undefined }
  const { block } = scanFolder({ ...options, refuseLinks: false, digestBytes: 16 })
  const { names, sizes, stats } = block
  const folder = join(root, 'tmp')
  const ingester = new FileIngester({ home, storeId: '00'.repeat(16), folder, hasher })
  const columns = { folders: [{ path: `${data}/`, names }], sizes, stats }
  const read = ({ refuseLinks = false } = {}) =>
    ingester.readColumns(0, { ...columns, refuseLinks })
  return { root, file: join(data, 'file'), read, ingester }
}

/** What may happen to a file after its folder was looked through; the code it comes to, if any. */
const CHANGES: [what: string, code: string | undefined, change: (file: string) => void][] = [
  ['is as it was', undefined, () => {}],
  ['grew', undefined, file => appendFileSync(file, 'more')],
  ['shrank', undefined, file => truncateSync(file, 7)],
  ['is empty now', undefined, file => truncateSync(file, 0)],
  ['became large', undefined, file => writeFileSync(file, Buffer.alloc(2 * LARGE_BYTES))],
  ['has other bytes of the same length', undefined, file => replace(file, readFileSync(file))],
  ['is a link now', undefined, file => link(file, '../other')],
  ['is gone', 'FILE_NOT_FOUND', file => rmSync(file)],
  [
    'is gone with its folder',
    'FILE_NOT_FOUND',
    file => rmSync(join(file, '..'), { recursive: true }),
  ],
  ['leads nowhere now', 'FILE_NOT_FOUND', file => link(file, 'nowhere')],
  ['leads to itself now', 'FILE_UNREADABLE', file => link(file, 'file')],
  ['is a folder now', 'FILE_UN', file => link(file, '../folder')],
  ['is a device now', 'FILE_UNSUPPORTED', file => link(file, '/dev/zero')],
  ['is a fifo now', 'FILE_UNSUPPORTED', makeFifo],
]

function replace(file: string, bytes: Buffer): void {
  rmSync(file)
  writeFileSync(file, bytes.fill('n'))
}

function link(file: string, target: string): void {
  rmSync(file)
  symlinkSync(target, file)
}

function makeFifo(file: string): void {
  rmSync(file)
  const { status } = spawnSync('mkfifo', [file])
  if (status !== 0) throw new Error('cannot make a fifo')
}

for (const size of [1000, 2 * LARGE_BYTES]) {
  for (const [what, code, change] of CHANGES) {
    t.test(`a file of ${size} bytes that was scanned and then ${what}`, async t => {
      const { file, read } = scan(t, size)
      change(file)
      const { sizes, digests, error } = await read()
      if (code !== undefined) {
        t.match(error, { code, details: { file } })
        t.equal(error?.message.includes(file), true, 'it is named')
        return
      }
      const bytes = readFileSync(file)
      t.equal(error, undefined)
      t.equal(sizes[0], bytes.length, 'what counts is what was read')
      t.equal(digestFromBytes('xxh128', digests), hashBytes(hasher, bytes))
    })
  }
}

t.test('where links are refused, a file that became one is not followed', async t => {
  for (const size of [1000, 2 * LARGE_BYTES]) {
    const { file, read, ingester } = scan(t, size)
    link(file, '../other')
    const refused = { code: 'FILE_UNSUPPORTED', message: `${file} is a symbolic link` }
    t.match((await read({ refuseLinks: true })).error, refused)
    const [outcome] = await ingester.read(1, [{ file, policy: 'immutable', refuseLinks: true }])
    t.match(outcome, { error: refused })
    t.equal((await read()).error, undefined)
  }
})

t.test('bytes that were stored, or are not to be, take no memory any more', async t => {
  const { ingester } = scan(t, 1000)
  const parts = [1, 2].map(byte => new Uint8Array(1000).fill(byte))
  ingester.readBytes(1, 'piece', parts)
  await ingester.store(1, [true, false])
  t.same(
    parts.map(part => part.length),
    [0, 0],
  )
  const { packs } = await ingester.finish()
  t.equal(packs.length, 1)
})
