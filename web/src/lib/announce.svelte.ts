/** What is said aloud without moving the focus (WCAG 4.1.3). */
class Announcer {
  polite = $state('');
  assertive = $state('');
  #turn = false;

  say(text: string, urgent = false): void {
    // The same words twice in a row are said again only if the text differs; the mark is silent.
    this.#turn = !this.#turn;
    const marked = this.#turn ? text : `${text}\u00A0`;
    if (urgent) this.assertive = marked;
    else this.polite = marked;
  }
}

export const announcer = new Announcer();
