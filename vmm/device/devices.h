/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The classes of the fixed devices of the machine, and what others ask them. */
#ifndef VIREO_DEVICES_H
#define VIREO_DEVICES_H

#include <stdbool.h>
#include <stdint.h>

#include "../device.h"

struct aio;
struct chardev;
struct hotplug;
struct ich9;
struct vm;

/* config: const char *, the chardev target */
extern const struct dev_class serial_class; /* 16550 UART at 3f8h, IRQ 4 */
extern const struct dev_class i8042_class;  /* 60h, 64h, IRQ 1 */
extern const struct dev_class rtc_class;    /* MC146818 at 70h, IRQ 8 */
extern const struct dev_class fw_cfg_class; /* 510h */

const struct chardev *serial_chardev(const struct device *dev);

/* ACPI PM registers (ICH9 datasheet 13.8): fixed for the FADT. */
#define ICH9_PM_BASE 0x600
#define ICH9_PM1_EVT 0x600
#define ICH9_PM1_CNT 0x604
#define ICH9_PM_TMR 0x608
#define ICH9_GPE0 0x620
#define ICH9_GPE0_LEN 16 /* status, then enable */
#define ICH9_SCI_GSI 9
#define ICH9_RESET_PORT 0xcf9
#define ICH9_RESET_VALUE 0x06
#define ICH9_SLP_TYP_S5 0

/* Presses the power button: SCI if the guest enabled it; any thread. */
void ich9_power_button(struct ich9 *ich9);

/* Raises general purpose event @nr, of the first 8; any thread. */
void ich9_gpe(struct ich9 *ich9, unsigned int nr);

/* The reset register, which lies within the host bridge's CF8h range. */
uint8_t ich9_reset_read(struct ich9 *ich9);
void ich9_reset_write(struct ich9 *ich9, uint8_t val);

/* ---- slots whose functions come and go: hotplug.c ---- */

extern const struct dev_class hotplug_class; /* 0cc0h, GPE 1 */

#define HOTPLUG_PORT 0xcc0
#define HOTPLUG_LEN 12
#define HOTPLUG_GPE 1

/* Main thread: the guest is told that a function is there. */
void hotplug_added(struct hotplug *hotplug, unsigned int slot);
/* The same: or is to go; false if it has not heard of that yet. */
bool hotplug_ask(struct hotplug *hotplug, unsigned int slot);
/* Slots that the guest was asked for and has not ejected, a bit each. */
uint32_t hotplug_asked(struct hotplug *hotplug);
/* The function is gone, whoever wanted that. */
void hotplug_gone(struct hotplug *hotplug, unsigned int slot);
/*
 * The I/O of disks that are plugged in, in the main thread: a machine that is
 * locked in makes no threads.  @direct: of a file with O_DIRECT.
 */
struct aio *hotplug_aio(struct hotplug *hotplug, bool direct);

#endif
