// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The registers by which ACPI and the machine agree on PCI functions that come
 * and go, those of QEMU's for bus 0 (docs/specs/acpi_pci_hotplug): 32 bits
 * each, one a slot.  The methods that use them are in boot/acpi.c.
 *
 *   0  slots that have got a function since this was read
 *   4  slots whose function is to go, and was not when this was read
 *   8  written: the operating system is done with these slots
 *
 * Two things are not as there.  A wish that something go is read once: else it is
 * found again with each event until the function is gone, and what is done for it
 * the second time may hit the next function in the slot.  For the same reason only
 * what was asked for can be ejected: what a guest ejects of its own will is still
 * there when it looks again.
 *
 * What the guest writes is only noted here: plug.c looks at it in the main
 * thread.
 */
#include <errno.h>

#include "../block/aio.h"
#include "../config.h"
#include "../plug.h"
#include "../vm.h"
#include "devices.h"

#define REG_UP 0
#define REG_DOWN 4
#define REG_EJECT 8

/* Of the two engines, the one that takes files as they are, and O_DIRECT. */
enum { ENGINE_ANY, ENGINE_DIRECT, NR_ENGINES };

struct hotplug {
	struct device dev;
	struct bus_range range;
	struct loop_call call;	     /* the guest has ejected something */
	struct aio *aio[NR_ENGINES]; /* main thread */

	/* Under dev.lock. */
	uint32_t up;
	uint32_t down;
	uint32_t asked; /* and not ejected yet */
	uint32_t ejected;
};

static uint64_t hotplug_read(void *opaque, uint64_t off, unsigned int size)
{
	struct hotplug *hotplug = opaque;
	uint32_t val = 0;

	if (size != 4)
		return UINT64_MAX;
	if (off == REG_UP) {
		val = hotplug->up;
		hotplug->up = 0;
	} else if (off == REG_DOWN) {
		val = hotplug->down;
		hotplug->down = 0;
	}
	return val;
}

static void hotplug_write(void *opaque, uint64_t off, unsigned int size,
			  uint64_t val)
{
	struct hotplug *hotplug = opaque;

	if (off != REG_EJECT || size != 4)
		return;
	hotplug->ejected |= (uint32_t)val & hotplug->asked;
	loop_post(hotplug->dev.vm->loop, &hotplug->call);
}

static const struct bus_ops hotplug_ops = {
	.read = hotplug_read,
	.write = hotplug_write,
};

static void on_ejected(void *opaque)
{
	struct hotplug *hotplug = opaque;
	uint32_t slots;

	pthread_mutex_lock(&hotplug->dev.lock);
	slots = hotplug->ejected;
	hotplug->ejected = 0;
	pthread_mutex_unlock(&hotplug->dev.lock);
	plug_ejected(hotplug->dev.vm, slots);
}

void hotplug_added(struct hotplug *hotplug, unsigned int slot)
{
	pthread_mutex_lock(&hotplug->dev.lock);
	hotplug->up |= 1U << slot;
	pthread_mutex_unlock(&hotplug->dev.lock);
	ich9_gpe(hotplug->dev.vm->ich9, HOTPLUG_GPE);
}

bool hotplug_ask(struct hotplug *hotplug, unsigned int slot)
{
	bool unheard;

	pthread_mutex_lock(&hotplug->dev.lock);
	unheard = hotplug->down & 1U << slot;
	hotplug->down |= 1U << slot;
	hotplug->asked |= 1U << slot;
	pthread_mutex_unlock(&hotplug->dev.lock);
	if (!unheard)
		ich9_gpe(hotplug->dev.vm->ich9, HOTPLUG_GPE);
	return !unheard;
}

uint32_t hotplug_asked(struct hotplug *hotplug)
{
	uint32_t slots;

	pthread_mutex_lock(&hotplug->dev.lock);
	slots = hotplug->asked;
	pthread_mutex_unlock(&hotplug->dev.lock);
	return slots;
}

void hotplug_gone(struct hotplug *hotplug, unsigned int slot)
{
	pthread_mutex_lock(&hotplug->dev.lock);
	hotplug->up &= ~(1U << slot);
	hotplug->down &= ~(1U << slot);
	hotplug->asked &= ~(1U << slot);
	/* Written twice, the second is not meant for who comes next. */
	hotplug->ejected &= ~(1U << slot);
	pthread_mutex_unlock(&hotplug->dev.lock);
}

struct aio *hotplug_aio(struct hotplug *hotplug, bool direct)
{
	return direct && hotplug->aio[ENGINE_DIRECT] ?
		       hotplug->aio[ENGINE_DIRECT] :
		       hotplug->aio[ENGINE_ANY];
}

/* ---- life ------------------------------------------------------------------ */

static int hotplug_realize(struct device *dev, const void *config,
			   struct error *err)
{
	struct hotplug *hotplug = (struct hotplug *)dev;
	int rc;

	(void)config;
	hotplug->call.fn = on_ejected;
	hotplug->call.opaque = hotplug;
	hotplug->range = (struct bus_range){
		.name = dev->id,
		.base = HOTPLUG_PORT,
		.len = HOTPLUG_LEN,
		.ops = &hotplug_ops,
		.dev = hotplug,
		.lock = &dev->lock,
	};
	rc = bus_insert(&dev->vm->pio, &hotplug->range, err);
	if (!rc)
		dev->vm->hotplug = hotplug;
	return rc;
}

/* The host may have no more of Linux AIO: threads do as well. */
static int hotplug_begin(struct device *dev, struct error *err)
{
	struct hotplug *hotplug = (struct hotplug *)dev;
	enum sandbox sandbox = dev->vm->cfg->sandbox;
	int rc = aio_open(&hotplug->aio[ENGINE_ANY], dev->vm->loop, AIO_THREADS,
			  sandbox, err);

	if (rc)
		return rc;
	rc = aio_open(&hotplug->aio[ENGINE_DIRECT], dev->vm->loop, AIO_LIBAIO,
		      sandbox, err);
	return rc == -EAGAIN ? 0 : rc;
}

static void hotplug_reset(struct device *dev)
{
	struct hotplug *hotplug = (struct hotplug *)dev;

	pthread_mutex_lock(&dev->lock);
	hotplug->up = 0;
	hotplug->down = 0;
	hotplug->asked = 0;
	hotplug->ejected = 0;
	pthread_mutex_unlock(&dev->lock);
}

static void hotplug_unrealize(struct device *dev)
{
	struct hotplug *hotplug = (struct hotplug *)dev;
	unsigned int i;

	dev->vm->hotplug = NULL;
	bus_remove(&dev->vm->pio, &hotplug->range);
	loop_unpost(dev->vm->loop, &hotplug->call);
	for (i = 0; i < NR_ENGINES; i++)
		if (hotplug->aio[i])
			aio_close(hotplug->aio[i]);
}

const struct dev_class hotplug_class = {
	.name = "hotplug",
	.size = sizeof(struct hotplug),
	.realize = hotplug_realize,
	.begin = hotplug_begin,
	.reset = hotplug_reset,
	.unrealize = hotplug_unrealize,
};
