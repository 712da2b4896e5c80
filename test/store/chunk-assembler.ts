import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { seededBytes } from '../../fixtures/seeded-bytes.js'
import { createHasher, type Hasher, hashBytes } from '../../src/hash/hasher.js'
import type { BlobKey } from '../../src/model/blob-key.js'
import { objectPath } from '../../src/model/home.js'
import { ChunkAssembler } from '../../src/store/chunk-assembler.js'
import { openStore } from '../../src/store/store.js'

const STEP = 100_000
const bytes = seededBytes('assembled', 10 * STEP)
const xxh128 = await createHasher('xxh128')
const key: BlobKey = { kind: 'blob', digest: hashBytes(xxh128, bytes), size: bytes.length }

async function openAssembler(test: Test) {
  const root = test.testdir({ folder: {} })
  const store = openStore(join(root, 'store'))
  test.teardown(() => store.close())
  let hashed = 0
  const own = await createHasher('xxh128')
  const hasher: Hasher = {
    ...own,
    update: part => {
      hashed += part.length
      own.update(part)
    },
  }
  const file = new ChunkAssembler(store, key, { folder: join(root, 'folder'), hasher })
  test.teardown(() => file.close())
  const write = (index: number) => {
    const offset = index * STEP
    // Its memory is used again.
    const chunk = Buffer.from(bytes.subarray(offset, offset + STEP))
    file.write(chunk, offset)
    chunk.fill(0)
  }
  return { store, file, write, hashed: () => hashed }
}

t.test('chunks in order are hashed when they come, and the rest is read', async t => {
  for (const [order, first] of [
    [[0, 1, 2, 3, 4, 5, 6, 7, 8, 9], 10],
    [[0, 1, 2, 5, 6, 7, 8, 9, 3, 4], 5],
    [[9, 8, 7, 6, 5, 4, 3, 2, 1, 0], 1],
  ] as const) {
    await t.test(`order ${order}`, async t => {
      const { store, file, write, hashed } = await openAssembler(t)
      for (const index of order) write(index)
      t.equal(hashed(), first * STEP)
      await file.finish()
      t.equal(hashed(), key.size)
      t.ok(readFileSync(objectPath(store.home, key.digest)).equals(bytes))
    })
  }
})

t.test('what is not all there is not the blob', async t => {
  const { file, write } = await openAssembler(t)
  for (const index of [0, 1, 2, 3]) write(index)
  await t.rejects(file.finish(), { code: 'BLOB_DAMAGED' })
})
