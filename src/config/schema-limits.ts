import { checkPattern } from './checks.ts'
import { isGiven } from './schema-log.ts'
import { bytes, choice, flag, integer, list, section, text } from './settings.ts'
import { aside, refused } from './shape.ts'

const patterns = (doc: string) => list(doc, text({ doc: 'A pattern.', default: '', check: checkPattern }))

export const catalog = section('`GET /v2/_catalog`.', {
  maxentries: integer({
    doc: 'Repositories in one answer, at most. 0 or less means 1000.',
    default: 1000,
    max: 100_000,
    defaultFor: 'zero or less',
  }),
})

export const tags = section('`GET /v2/<name>/tags/list`.', {
  maxtags: integer({
    doc: 'Tags in one answer, at most, when a client asks for pages. 0 means 1000.',
    default: 1000,
    max: 100_000,
    defaultFor: 'zero',
  }),
})

const indexes = section('The manifests that an index names.', {
  platforms: choice(['all', 'none', 'list'], {
    doc: 'Which of them must be there when an index is pushed.',
    default: 'all',
    anyCase: true,
  }),
  platformlist: list(
    'The platforms that must be there, with `platforms: list`.',
    section('A platform.', {
      architecture: text({ doc: 'As `amd64`.', default: '' }),
      os: text({ doc: 'As `linux`.', default: '' }),
    }),
  ),
})

export const validation = section('What a manifest must be to be accepted.', {
  enabled: flag({ doc: 'Old form of `disabled`; true wins over it.', default: false }),
  disabled: flag({ doc: 'Switches the checks of `urls` and `indexes` off.', default: false }),
  manifests: section('Checks of manifests.', {
    urls: section('`urls` of descriptors. With neither list, no URL is allowed on an ordinary layer.', {
      allow: patterns('Regular expressions, one of which a URL must match.'),
      deny: patterns('Regular expressions that no URL may match.'),
    }),
    indexes,
    sparse: choice(['none', 'indexes', 'all'], {
      doc: 'Accepts manifests that name what is not there: indexes without a child, or all also without a layer.',
      default: 'none',
    }),
    maxbytes: bytes({
      doc: 'The size of a manifest, at most.',
      default: 4 * 2 ** 20,
      min: 1024,
      max: 64 * 2 ** 20,
    }),
    maxreferences: integer({
      doc: 'Descriptors in one manifest, at most.',
      default: 10_000,
      min: 1,
      max: 1_000_000,
    }),
  }),
})

export const policy = aside(
  section('Rules for content.', {
    repository: section('Rules for repositories.', {
      classes: refused(
        list('Classes of content that are accepted.', text({ doc: 'A class.' })),
        'Berth accepts every kind of artifact and has no classes: remove the list',
        isGiven,
      ),
    }),
  }),
)
