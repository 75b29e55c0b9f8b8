export function Swatch({ colour, off = false }: { colour: string; off?: boolean }) {
  return (
    <span aria-hidden className="swatch" style={{ background: off ? "transparent" : colour, borderColor: colour }} />
  );
}
