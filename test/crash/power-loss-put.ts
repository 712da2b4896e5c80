import t from 'tap'
import { testPowerLoss } from '../../fixtures/crash/test-rounds.js'

/** At least; the two files about power loss together make 2,000. */
const MIN_STATES = 1000

let states = 0
for (const [scenario, first] of [
  ['small', 0],
  ['large', 1],
] as const) {
  t.test(`${scenario}: what was acknowledged outlives a power loss after any change`, async t => {
    states += await testPowerLoss(t, scenario, first)
  })
}

t.test('enough states were made', async t => {
  t.comment(`${states} states`)
  t.ok(states >= MIN_STATES)
})
