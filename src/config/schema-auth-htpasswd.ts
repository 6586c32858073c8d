import { section, text } from './settings.ts'

export const htpasswd = {
  ...section('Names and passwords in a file, as `htpasswd` writes it.', {
    realm: text({ doc: 'What a browser or a client shows when it asks for a password.', default: '' }),
    path: text({ doc: 'The file. It is read again when it changes.', default: '', type: 'path' }),
  }),
  optional: true as const,
}
