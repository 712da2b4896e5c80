import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { testCatalog } from '../../fixtures/conformance/catalog.js'
import { openCatalog } from '../../src/catalog/open-catalog.js'
import { openLevelCatalog } from '../../src/catalog/open-level-catalog.js'

const base = t.testdir()
let homes = 0

function newHome(): string {
  const home = join(base, String(homes++))
  mkdirSync(home)
  return home
}

testCatalog(t, {
  name: 'LevelCatalog',
  create: async () => {
    const home = newHome()
    const catalog = (await openLevelCatalog(home))!
    return { catalog, home, close: () => catalog.close() }
  },
})

testCatalog(t, {
  name: 'through the socket',
  create: async () => {
    const home = newHome()
    const { catalog, close } = openCatalog(home)
    return { catalog, home, close }
  },
})

testCatalog(t, {
  name: 'in the thread that calls',
  create: async () => {
    const home = newHome()
    const { catalog, close } = openCatalog(home, { hostPlace: 'here' })
    return { catalog, home, close }
  },
})
