import t from 'tap'
import { testPowerLosses } from '../../fixtures/crash/test-rounds.js'

testPowerLosses(t, [
  ['rebuild', 1],
  ['receive', 0],
])
