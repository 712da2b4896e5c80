// Prints the seconds that a program waits for one download: node download-once.js ROOT LINK
import { init } from '../src/index.js'
import type { LinkMode } from '../src/store/object-linker.js'

const [root, link] = process.argv.slice(2)
const run = await init()
const used = await run.useArtifact('large')
const started = process.hrtime.bigint()
await used.download({ root: root!, link: link as LinkMode })
console.log(Number(process.hrtime.bigint() - started) / 1e9)
await run.finish()
