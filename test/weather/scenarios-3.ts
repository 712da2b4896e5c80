import t from 'tap'
import { testWeather } from '../../fixtures/weather/test-weather.js'

t.test('whatever the weather, every version arrives as it was logged', t => testWeather(t, 2))
