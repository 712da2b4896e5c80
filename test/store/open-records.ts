import { join } from 'node:path'
import t from 'tap'
import { logFiles } from '../../fixtures/log-files.js'
import { createHasher, hashBytes } from '../../src/hash/hasher.js'
import type { BlobKey } from '../../src/model/blob-key.js'
import { openRecords } from '../../src/store/open-records.js'
import { openStore } from '../../src/store/store.js'

t.test('records come by pack, in the order of the first keys', async t => {
  const store = openStore(join(t.testdir(), 'store'))
  t.teardown(() => store.close())
  const hasher = await createHasher('xxh128')
  const keys: BlobKey[] = []
  for (let pack = 0; pack < 8; pack += 1) {
    const text = `file ${pack}`
    await logFiles(store, { 'a.txt': text })
    const digest = hashBytes(hasher, Buffer.from(text))
    keys.push({ kind: 'blob', digest, size: text.length })
  }
  for (const asked of [keys, keys.toReversed()]) {
    const came: string[] = []
    for await (const item of openRecords(store, asked)) {
      const some = 'encoded' in item ? item.keys : [item.key]
      came.push(...some.map(({ digest }) => digest))
    }
    t.same(
      came,
      asked.map(({ digest }) => digest),
    )
  }
})
