import {
  ActionIcon,
  Badge,
  Button,
  createTheme,
  type MantineThemeOverride,
  mergeThemeOverrides,
  Modal,
  Table,
  TextInput,
  Tooltip,
} from "@mantine/core";
import type { TFunction } from "i18next";

const theme = createTheme({
  primaryColor: "brand",
  primaryShade: { light: 7, dark: 5 },
  autoContrast: true,
  defaultRadius: "md",
  cursorType: "pointer",
  respectReducedMotion: true,
  fontFamily:
    "Inter, system-ui, -apple-system, 'Segoe UI', Roboto, 'Noto Sans', 'PingFang SC', 'Microsoft YaHei', 'Noto Sans CJK SC', sans-serif",
  colors: {
    dark: [
      "#d5d8e0",
      "#b9bdc9",
      "#9398a6",
      "#6b7080",
      "#3b3f4c",
      "#2b2e38",
      "#22252e",
      "#1b1d24",
      "#15171d",
      "#13141a",
    ],
    brand: [
      "#eef1ff",
      "#dbe0fb",
      "#b5bef2",
      "#8c9aea",
      "#6a7be3",
      "#5568df",
      "#4a5edd",
      "#3b4fc4",
      "#3245b0",
      "#263a9b",
    ],
  },
  components: {
    ActionIcon: ActionIcon.extend({ defaultProps: { variant: "subtle", color: "gray" } }),
    Badge: Badge.extend({ defaultProps: { tt: "none", fw: 500, miw: "max-content", variant: "light" } }),
    Button: Button.extend({ defaultProps: { fw: 500 } }),
    Modal: Modal.extend({ defaultProps: { centered: true, closeOnClickOutside: false, overlayProps: { blur: 2 } } }),
    Table: Table.extend({ defaultProps: { fz: "sm" } }),
    TextInput: TextInput.extend({ defaultProps: { autoComplete: "off" } }),
    Tooltip: Tooltip.extend({ defaultProps: { events: { hover: true, focus: true, touch: true }, openDelay: 200 } }),
  },
});

/** The names of buttons that components bring along, in the viewer's language. */
export function named(t: TFunction): MantineThemeOverride {
  const closeButtonProps = { "aria-label": t("close") };
  return mergeThemeOverrides(theme, {
    components: {
      Drawer: { defaultProps: { closeButtonProps } },
      Modal: { defaultProps: { closeButtonProps } },
      Notification: { defaultProps: { closeButtonProps } },
      PasswordInput: { defaultProps: { visibilityToggleButtonProps: { "aria-label": t("showPassword") } } },
    },
  });
}
