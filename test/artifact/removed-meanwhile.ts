import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { damageBlob } from '../../fixtures/store/damage-blob.js'
import { useHome } from '../../fixtures/use-home.js'
import { sharedStore } from '../../src/artifact/shared-store.js'
import { createHasher, hashBytes } from '../../src/hash/hasher.js'
import { Artifact } from '../../src/index.js'
import { quarantineKeys } from '../../src/store/quarantine.js'

const content = Buffer.from('what the store has already')
const digest = hashBytes(await createHasher('xxh128'), content)
const key = { kind: 'blob' as const, digest, size: content.length }

t.test('an artifact does not refer to bytes that left the store since they were added', async t => {
  const { folder, home } = useHome(t, { files: { 'deep.txt': content, 'other.txt': 'other' } })
  const make = (name: string) => new Artifact({ name, type: 'dataset' })
  const first = make('first')
  await first.addDir(join(folder, 'files'))
  const saved = await first.save()
  const store = sharedStore(home)

  const file = join(folder, 'again.txt')
  writeFileSync(file, content)
  const open = make('open')
  await open.addFile(file)
  const entry = make('entry')
  for await (const found of saved.entries()) await entry.addReference(found)
  const folders = make('folders')
  await folders.addDir(join(folder, 'files'))

  await damageBlob(store, digest)
  t.same(await quarantineKeys(store, [key]), [key])
  for (const [artifact, path] of [
    [open, 'again.txt'],
    [entry, 'deep.txt'],
    [folders, 'deep.txt'],
  ] as const) {
    await t.rejects(artifact.save(), { code: 'BLOB_MISSING', details: { path, digest } })
  }
  t.equal((await store.catalog.listVersions({})).items.length, 1)

  const again = make('again')
  await again.addDir(join(folder, 'files'))
  const whole = await again.save()
  t.same((await whole.verify()).problems, [])
  t.same((await saved.verify()).problems, [], 'what needed them before is whole again')
})
