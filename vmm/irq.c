// SPDX-License-Identifier: GPL-2.0-or-later
#include <assert.h>
#include <string.h>

#include "accel.h"
#include "irq.h"

void irqs_init(struct irqs *irqs, struct accel *accel)
{
	memset(irqs, 0, sizeof(*irqs));
	pthread_mutex_init(&irqs->lock, NULL);
	irqs->accel = accel;
}

void irqs_destroy(struct irqs *irqs)
{
	pthread_mutex_destroy(&irqs->lock);
}

void irq_source_init(struct irq_source *src, struct irqs *irqs,
		     unsigned int gsi)
{
	assert(gsi < IRQ_PINS);
	src->irqs = irqs;
	src->gsi = gsi;
	src->level = false;
}

/*
 * The accelerator is called with the lock held, so that it sees the changes
 * of a shared pin in the order in which they happened.  src->level belongs to
 * the device and is covered by its lock.
 */
void irq_set(struct irq_source *src, bool level)
{
	struct irqs *irqs = src->irqs;
	bool change;

	if (src->level == level)
		return;
	src->level = level;

	pthread_mutex_lock(&irqs->lock);
	if (level)
		change = irqs->raised[src->gsi]++ == 0;
	else
		change = --irqs->raised[src->gsi] == 0;
	if (change)
		irqs->accel->ops->irq_line(irqs->accel, src->gsi, level);
	pthread_mutex_unlock(&irqs->lock);
}

void irq_msi(struct irqs *irqs, uint64_t addr, uint32_t data)
{
	irqs->accel->ops->msi(irqs->accel, addr, data);
}
