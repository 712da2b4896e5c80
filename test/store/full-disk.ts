import { spawnSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import {
  closeSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  rmdirSync,
  rmSync,
  statfsSync,
  statSync,
  truncateSync,
  writeFileSync,
  writeSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { makeLogRequest } from '../../fixtures/catalog/log-request.js'
import { listStored } from '../../fixtures/store/list-stored.js'
import { logTree } from '../../fixtures/store/log-tree.js'
import { readStored } from '../../fixtures/store/read-stored.js'
import { waitUntil } from '../../fixtures/wait-until.js'
import { systemCode } from '../../src/errors.js'
import { parseDigest } from '../../src/model/digest.js'
import { homePaths } from '../../src/model/home.js'
import { readEntries } from '../../src/store/manifest.js'
import { openStore, type Store } from '../../src/store/store.js'

const MEGABYTE = 1 << 20

/** Gives `work` a small file system of its own, or says why there is none. */
async function onSmallDisk(
  t: Test,
  megabytes: number,
  work: (disk: string, store: Store) => Promise<void>,
): Promise<void> {
  if (process.platform !== 'linux' || process.getuid?.() !== 0) {
    return void t.pass('', { skip: 'only root on Linux may mount' })
  }
  const disk = mkdtempSync(join(tmpdir(), 'artifactd-disk-'))
  const options = ['-t', 'tmpfs', '-o', `size=${megabytes}m`, 'tmpfs', disk]
  const { status, stderr } = spawnSync('mount', options)
  try {
    if (status !== 0) return void t.pass('', { skip: `cannot mount a tmpfs: ${stderr}` })
    const store = openStore(join(disk, 'home'))
    await work(disk, store).finally(() => store.close())
  } finally {
    spawnSync('umount', ['-l', disk])
    rmdirSync(disk)
  }
}

function enlarge(folder: string, megabytes: number): void {
  spawnSync('mount', ['-o', `remount,size=${megabytes}m`, folder])
}

/** Takes all the room that is left. */
function fill(file: string): void {
  const fd = openSync(file, 'w')
  for (let bytes = MEGABYTE; bytes >= 1; ) {
    try {
      writeSync(fd, Buffer.alloc(bytes, 1))
    } catch (error) {
      if (systemCode(error) !== 'ENOSPC') throw error
      bytes >>= 1
    }
  }
  closeSync(fd)
}

async function addAll(store: Store, files: string[]) {
  const ingest = store.ingest()
  const stored = await Promise.all(files.map(file => ingest.addFile(file, 'mutable')))
  await ingest.finish()
  return stored.map(({ digest, stat }) => ({ digest, size: stat.size }))
}

const puts: Record<string, number[]> = {
  'one large file': [20 * MEGABYTE],
  'many small files': Array.from({ length: 400 }, () => 50_000),
}

for (const [name, sizes] of Object.entries(puts)) {
  const title = `a disk that fills up with ${name} leaves the store intact`
  t.test(title, t =>
    onSmallDisk(t, 12, async (disk, store) => {
      const folder = t.testdir({ files: {} })
      const contents = sizes.map(size => randomBytes(size))
      const files = contents.map((content, i) => {
        const file = join(folder, 'files', `${i}`)
        writeFileSync(file, content)
        return file
      })
      const small = join(folder, 'small')
      writeFileSync(small, 'small')
      const [first] = await addAll(store, [small])
      await store.catalog.log(makeLogRequest('cats', 'a'))

      for (let attempt = 0; attempt < 2; attempt += 1) {
        await t.rejects(addAll(store, files), { code: 'STORE_FULL' })
        t.equal(String(await readStored(store, first!)), 'small')
      }
      await store.ingest().close()
      // An ingest that failed is closed on the side.
      await waitUntil(async () => listStored(store.home).writers.length === 0)
      t.match(await store.catalog.log(makeLogRequest('cats', 'b')), { number: 1 })

      enlarge(disk, 64)
      const keys = await addAll(store, files)
      for (const [i, key] of keys.entries()) {
        const bytes = await readStored(store, key)
        if (!bytes?.equals(contents[i]!)) t.fail(`file ${i} is not in the store`)
      }
      t.match(await store.catalog.log(makeLogRequest('cats', 'c')), { number: 2 })
    }),
  )
}

const title = 'a commit on a full disk is refused, and goes on when there is room'
t.test(title, t =>
  onSmallDisk(t, 8, async (disk, store) => {
    const acknowledged = new Map<string, number>()
    const requests = Array.from({ length: 40 }, (_, i) =>
      makeLogRequest('cats', `${i}`, { version: { description: 'x'.repeat(20_000) } }),
    )
    const logAll = async () => {
      const results = await Promise.allSettled(requests.map(request => store.catalog.log(request)))
      results.forEach((result, i) => {
        if (result.status === 'fulfilled')
          acknowledged.set(requests[i]!.version.id, result.value.number)
        else t.match(result.reason, { code: 'STORE_FULL' })
      })
    }
    await store.catalog.log(requests[0]!)
    for (let round = 0; round < 3; round += 1) {
      fill(join(disk, 'filler'))
      t.equal(statfsSync(disk).bfree, 0)
      const before = acknowledged.size
      await logAll()
      t.ok(acknowledged.size < requests.length, 'not all commits had room')
      t.ok(acknowledged.size >= before)
      rmSync(join(disk, 'filler'))
      for (const [id, number] of acknowledged) {
        const version = await store.catalog.getVersion(id)
        if (version?.number !== number) t.fail(`v${number} was acknowledged and is gone`)
      }
    }
    await logAll()
    t.same(
      [...acknowledged.values()].toSorted((a, b) => a - b),
      [...requests.keys()],
    )
    t.equal((await store.catalog.listVersions({})).items.length, requests.length)
    t.ok(readdirSync(homePaths(store.home).journal).length > 1)
  }),
)

/** Room that is left, in pages of 4 KiB: a put meets the end of it at one step after another. */
const ROOMS = [0, 1, 2, 3, 4, 5, 6, 8, 10, 12, 16, 24, 40, 64, 80, 96, 128, 160, 200]

t.test('wherever a put meets the end of the disk, what is acknowledged is there later', t =>
  onSmallDisk(t, 8, async (disk, store) => {
    const folder = t.testdir()
    const filler = join(disk, 'filler')
    const acknowledged: { id: string; contents: Buffer[] }[] = []
    let refused = 0
    const log = async (name: string) => {
      const input = join(folder, name)
      mkdirSync(input)
      const contents = [100, 2000, 30_000, 300_000].map(size => randomBytes(size))
      for (const [i, content] of contents.entries()) writeFileSync(join(input, `${i}`), content)
      const { id } = await logTree(store, input, 'cats')
      acknowledged.push({ id, contents })
    }
    await log('first')
    for (const pages of ROOMS) {
      fill(filler)
      truncateSync(filler, Math.max(0, statSync(filler).size - pages * 4096))
      try {
        await log(`${pages}`)
      } catch (error) {
        refused += 1
        t.match(error, { code: 'STORE_FULL' }, `with ${pages} pages`)
      }
      rmSync(filler)
      enlarge(disk, 8 + acknowledged.length)
    }
    t.ok(refused > 5 && acknowledged.length > 3, `${refused} of ${ROOMS.length} were refused`)
    await log('last')
    await store.close()

    const again = openStore(store.home)
    t.equal((await again.catalog.listVersions({})).items.length, acknowledged.length)
    for (const { id, contents } of acknowledged) {
      const version = (await again.catalog.getVersion(id))!
      for await (const entries of readEntries(again, version.pieces)) {
        for (const { path, digest, size } of entries) {
          const bytes = await readStored(again, { digest: parseDigest(digest), size })
          if (!bytes?.equals(contents[Number(path)]!)) t.fail(`${path} of @${id} is lost`)
        }
      }
    }
    await again.close()
  }),
)
