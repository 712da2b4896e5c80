import t from 'tap'
import { ownTurn } from '../../src/hash/own-turn.js'

t.test('each has a turn of the event loop of its own', async t => {
  let turns = 0
  let counting = true
  const count = () => {
    turns += 1
    if (counting) setImmediate(count)
  }
  setImmediate(count)
  const seen = await Promise.all(Array.from({ length: 5 }, () => ownTurn().then(() => turns)))
  counting = false
  t.equal(new Set(seen).size, 5)
})
