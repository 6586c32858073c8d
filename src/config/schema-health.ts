import { checkHeaderName, checkHeaderValue, checkHttpUrl, checkTcpAddress } from './checks.ts'
import { duration, flag, integer, list, LONGEST_WAIT, section, table, text } from './settings.ts'

const interval = () =>
  duration({
    doc: 'Time between two checks.',
    default: 10_000,
    min: 1,
    max: LONGEST_WAIT,
    defaultFor: 'zero',
  })

const threshold = () =>
  integer({
    doc: 'How often in a row a check must fail before the registry counts as ill.',
    default: 1,
    max: 1_000_000,
    defaultFor: 'zero',
  })

const timeout = () =>
  duration({
    doc: 'How long an answer may take; 0 for as long as the interval.',
    default: 0,
    max: LONGEST_WAIT,
  })

const file = section('One check: ill while the file exists.', {
  file: text({ doc: 'The file.', default: '', type: 'path' }),
  interval: interval(),
  threshold: threshold(),
})

const http = section('One check: ill while the URL does not answer as it should.', {
  uri: text({ doc: 'The URL, asked with HEAD.', default: '', check: checkHttpUrl, type: 'URL' }),
  headers: table(
    'Headers of the request, each with a list of values.',
    list('Values.', text({ doc: 'A value.', default: '', check: checkHeaderValue })),
    { checkKey: checkHeaderName, secret: true },
  ),
  statuscode: integer({
    doc: 'The status that is healthy.',
    default: 200,
    min: 100,
    max: 599,
    defaultFor: 'zero',
  }),
  timeout: timeout(),
  interval: interval(),
  threshold: threshold(),
})

const tcp = section('One check: ill while nothing listens there.', {
  addr: text({ doc: 'Host and port.', default: '', check: checkTcpAddress, type: 'address' }),
  timeout: timeout(),
  interval: interval(),
  threshold: threshold(),
})

export const health = section('Checks; while one fails, requests get 503.', {
  storagedriver: section("Asks the store for the data's root.", {
    enabled: flag({ doc: 'Switches it on.', default: false }),
    interval: interval(),
    threshold: threshold(),
  }),
  file: list('Files whose existence takes the registry out of service.', file, 'FILECHECKERS'),
  http: list('URLs that must answer.', http, 'HTTPCHECKERS'),
  tcp: list('Addresses that must accept connections.', tcp, 'TCPCHECKERS'),
})
