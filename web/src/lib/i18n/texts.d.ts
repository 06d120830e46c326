/** One part of a catalogue, made from `locales` by the build. */
declare module 'virtual:texts/*' {
  const texts: Readonly<Record<string, string>>;
  export default texts;
}
