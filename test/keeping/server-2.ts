import t from 'tap'
import { ServerScene } from '../../fixtures/keeping/server-scene.js'
import { testRounds } from '../../fixtures/keeping/test-rounds.js'

t.test('a server that is collected beside clients, all of which are killed, loses nothing', t =>
  testRounds(t, ServerScene, 1),
)
