import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { listEntries } from '../../fixtures/list-entries.js'
import { useHome } from '../../fixtures/use-home.js'
import { Artifact, init } from '../../src/index.js'

/** The example folder of W&B's page "Construct an artifact". */
const PROJECT_DIRECTORY = {
  images: { 'cat.png': 'a cat', 'dog.png': 'a dog' },
  checkpoints: { 'model.h5': 'a checkpoint' },
  'model.h5': 'the model',
}

interface Row {
  call: string
  add(artifact: Artifact): Promise<void>
  result: Record<string, string>
}

const ROWS: Row[] = [
  {
    call: "addFile('model.h5')",
    add: artifact => artifact.addFile('model.h5'),
    result: { 'model.h5': 'the model' },
  },
  {
    call: "addFile('checkpoints/model.h5')",
    add: artifact => artifact.addFile('checkpoints/model.h5'),
    result: { 'model.h5': 'a checkpoint' },
  },
  {
    call: "addFile('model.h5', { name: 'models/mymodel.h5' })",
    add: artifact => artifact.addFile('model.h5', { name: 'models/mymodel.h5' }),
    result: { 'models/mymodel.h5': 'the model' },
  },
  {
    call: "addDir('images')",
    add: artifact => artifact.addDir('images'),
    result: { 'cat.png': 'a cat', 'dog.png': 'a dog' },
  },
  {
    call: "addDir('images', { name: 'images' })",
    add: artifact => artifact.addDir('images', { name: 'images' }),
    result: { 'images/cat.png': 'a cat', 'images/dog.png': 'a dog' },
  },
  {
    call: "newFile('hello.txt')",
    add: artifact => artifact.newFile('hello.txt'),
    result: { 'hello.txt': '' },
  },
  {
    call: "addFile('model.h5', { name: 'new/path/file.format' })",
    add: artifact => artifact.addFile('model.h5', { name: 'new/path/file.format' }),
    result: { 'new/path/file.format': 'the model' },
  },
]

const { folder } = useHome(t, PROJECT_DIRECTORY)
const before = process.cwd()
process.chdir(folder)
t.teardown(() => process.chdir(before))

ROWS.forEach(({ call, add, result }, index) => {
  t.test(call, async t => {
    const name = `example-${index}`
    const artifact = new Artifact({ name, type: 'dataset' })
    await add(artifact)
    t.same(await listEntries(artifact), Object.keys(result))

    const run = await init({ project: 'artifacts-example', jobType: 'job-type' })
    const logged = run.logArtifact(artifact)
    await run.finish()
    t.equal(logged.fileCount, Object.keys(result).length)
    const root = await logged.download()
    t.equal(root, join(folder, `artifacts/${name}-v0`))
    for (const [path, content] of Object.entries(result)) {
      t.equal(readFileSync(join(root, path), 'utf8'), content, path)
    }
    t.same((await logged.verify(root)).problems, [], 'and nothing else is there')
  })
})
