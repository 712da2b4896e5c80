import t from 'tap'
import { testKills } from '../../fixtures/crash/test-rounds.js'

for (const scenario of ['small', 'large']) {
  t.test(`${scenario}: what was acknowledged outlives kill -9 at any step`, t =>
    testKills(t, scenario, 29),
  )
}
