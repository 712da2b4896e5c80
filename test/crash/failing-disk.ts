import t from 'tap'
import { testFaults } from '../../fixtures/crash/test-rounds.js'

for (const scenario of ['small', 'large', 'receive']) {
  t.test(`${scenario}: a full or failing disk gives coded errors, and work goes on after it`, t =>
    testFaults(t, scenario, 3),
  )
}
