/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Interrupts: pins of the IOAPIC/PIC (GSIs) and messages.
 *
 * A pin may be shared by several devices: its level is the OR of its sources.
 *
 * Locks:
 *   irqs.lock   mutex   the levels of the pins; taken inside a device lock
 */
#ifndef VIREO_IRQ_H
#define VIREO_IRQ_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

struct accel;

#define IRQ_PINS 24

struct irqs {
	pthread_mutex_t lock;
	struct accel *accel;
	uint32_t raised[IRQ_PINS]; /* how many sources hold the pin high */
};

/* One device's hold on one pin; owned by the device. */
struct irq_source {
	struct irqs *irqs;
	unsigned int gsi;
	bool level;
};

void irqs_init(struct irqs *irqs, struct accel *accel);
void irqs_destroy(struct irqs *irqs);

void irq_source_init(struct irq_source *src, struct irqs *irqs,
		     unsigned int gsi);

/* Level-triggered pins; on an edge-triggered one a rise is the edge. */
void irq_set(struct irq_source *src, bool level);

/* Sends the message @data to @addr (Intel SDM vol. 3, 11.11). */
void irq_msi(struct irqs *irqs, uint64_t addr, uint32_t data);

#endif
