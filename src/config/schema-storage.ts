import { duration, flag, free, integer, LONGEST_WAIT, section, text } from './settings.ts'
import { notNeeded, refused } from './shape.ts'

export const DRIVERS = ['filesystem', 'inmemory', 's3', 's3aws', 'azure', 'gcs', 'oss', 'swift'] as const

const cloud = (name: string) =>
  refused(
    free(`Keeps blobs in ${name}.`),
    `storage in ${name} is not built yet: use storage.filesystem, on a disk of this machine`,
  )

export const storage = {
  ...section('Where the data lies: exactly one driver, and what holds for all.', {
    filesystem: {
      ...section(
        'Keeps the data in a folder. A lone `storage: filesystem` is the same as one without keys.',
        {
          rootdirectory: text({
            doc: 'The data folder.',
            default: '/var/lib/registry',
            bare: './data',
            type: 'path',
          }),
          maxthreads: notNeeded(
            integer({ doc: 'Operations on files at a time.', default: 100 }),
            'there are no threads to limit',
          ),
        },
      ),
      optional: true as const,
    },
    inmemory: {
      ...section('Keeps the data in memory, and loses it at the end: for tests.', {}),
      optional: true as const,
    },
    s3: cloud('S3'),
    s3aws: cloud('S3'),
    azure: cloud('Azure'),
    gcs: cloud('Google Cloud Storage'),
    oss: cloud('Alibaba OSS'),
    swift: cloud('OpenStack Swift'),
    delete: section('Deletes.', {
      enabled: flag({
        doc: 'Allows DELETE of manifests, tags and blobs.',
        default: false,
        bare: true,
      }),
    }),
    maintenance: section('What runs beside the registry, or closes it.', {
      uploadpurging: section('Removes uploads that were never finished.', {
        enabled: flag({ doc: 'Switches it on.', default: true }),
        age: duration({
          doc: 'An upload without progress for so long is removed.',
          default: 168 * 3_600_000,
        }),
        interval: duration({
          doc: 'Time between two rounds.',
          default: 24 * 3_600_000,
          min: 1000,
          max: LONGEST_WAIT,
        }),
        dryrun: flag({ doc: 'Only logs what would be removed.', default: false }),
      }),
      readonly: section('Read-only mode.', {
        enabled: flag({ doc: 'Refuses every push and delete.', default: false }),
      }),
    }),
    cache: notNeeded(
      section("Distribution's cache of blob descriptors.", {
        blobdescriptor: text({ doc: '`redis` or `inmemory`.' }),
        blobdescriptorsize: integer({ doc: 'Entries of the cache in memory.', default: 10_000 }),
        layerinfo: text({ doc: 'The old name of `blobdescriptor`.' }),
      }),
      'the database answers as fast, and Berth keeps its own cache in memory',
    ),
    redirect: notNeeded(
      section('Sends clients to the object store for blobs.', {
        disable: flag({ doc: 'Serves blobs itself.', default: false }),
      }),
      'blobs on a disk are always served by Berth itself',
    ),
    tag: notNeeded(
      section('Lookup of tags.', {
        concurrencylimit: integer({ doc: 'Lookups at a time.', default: 0 }),
      }),
      'tags are rows of a database, found by one query',
    ),
  }),
  open: true as const,
}

export const metadata = section('The database of manifests, tags and everything else that is no blob.', {
  path: text({
    doc: 'The SQLite file; must lie on a disk of this machine. Default: `berth/` in the data folder.',
    type: 'path',
  }),
})

export const trash = section('What was deleted, and can be restored for a while.', {
  keep: duration({
    doc: 'How long what was deleted can be restored, before its space is freed.',
    default: 24 * 3_600_000,
  }),
})

export const gc = section('The collector of what nothing names.', {
  rate: integer({
    doc: 'How many manifests, links and blobs it looks at in a second at most, so that requests come first; 0: only its rests count.',
    default: 2000,
    min: 0,
    max: 1_000_000,
  }),
})

export const scrub = section(
  'Compares stored blobs with their digests, slowly and in the background: disks forget.',
  {
    enabled: flag({ doc: 'Switches it on.', default: true }),
    age: duration({
      doc: 'A blob that was not read whole for so long is read again.',
      default: 720 * 3_600_000,
      min: 60_000,
    }),
    rate: integer({ doc: 'MiB a second that are read at most.', default: 10, min: 1, max: 100_000 }),
  },
)
