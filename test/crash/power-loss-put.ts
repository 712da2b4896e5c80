import t from 'tap'
import { testPowerLosses } from '../../fixtures/crash/test-rounds.js'

testPowerLosses(t, [
  ['small', 0],
  ['large', 1],
])
