/** A setting that cannot be used, or a file it names. The message begins with the setting and says what is wrong. */
export class SettingError extends Error {
  override readonly name = 'SettingError'
}
