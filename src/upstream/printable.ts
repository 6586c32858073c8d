const LONGEST_TEXT = 500

/** What comes from elsewhere may not move the cursor of a terminal, nor fill it. */
export function printable(text: string): string {
  return text.replace(/[\p{Cc}\p{Cf}\s]+/gu, ' ').slice(0, LONGEST_TEXT)
}
