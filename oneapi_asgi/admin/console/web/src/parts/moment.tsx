import { Text, Tooltip, type TextProps } from "@mantine/core";

import { moment, relative, shortMoment } from "../format";

/** A moment of Unix seconds in the viewer's zone, with how long ago that is on hover, or the other way round; 0 is never. */
export function Moment({
  at,
  ago = false,
  short = false,
  ...text
}: { at: number; ago?: boolean; short?: boolean } & TextProps) {
  if (at <= 0)
    return (
      <Text span inherit c="dimmed" {...text}>
        –
      </Text>
    );
  const [shown, hidden] = ago ? [relative(at), moment(at)] : [short ? shortMoment(at) : moment(at), relative(at)];
  return (
    <Tooltip label={hidden}>
      <Text span inherit className="figure" {...text}>
        <time dateTime={new Date(at * 1000).toISOString()}>{shown}</time>
      </Text>
    </Tooltip>
  );
}
