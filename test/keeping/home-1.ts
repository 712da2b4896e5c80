import t from 'tap'
import { HomeScene } from '../../fixtures/keeping/home-scene.js'
import { testRounds } from '../../fixtures/keeping/test-rounds.js'

t.test('a store that is cleaned beside processes, all of which are killed, loses nothing', t =>
  testRounds(t, HomeScene, 0),
)
