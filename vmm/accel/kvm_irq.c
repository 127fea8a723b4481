// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Interrupts of KVM's own controllers, and the table that says what each GSI
 * is: the pins as KVM makes them, and behind them a message each.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>

#include "../irq.h"
#include "kvm.h"

#define PIC_PINS 16
/* GSIs that are pins, and how many entries they are: PIC and IOAPIC. */
#define PIN_ENTRIES (IRQ_PINS + PIC_PINS)
#define MAX_MESSAGES 2048

int kvm_irq_line(struct accel *accel, unsigned int gsi, bool level)
{
	struct kvm_irq_level irq = { .irq = gsi, .level = level };

	if (ioctl(to_kvm(accel)->vm_fd, KVM_IRQ_LINE, &irq))
		return -errno;
	return 0;
}

int kvm_msi(struct accel *accel, uint64_t addr, uint32_t data)
{
	struct kvm_msi msi = {
		.address_lo = (uint32_t)addr,
		.address_hi = (uint32_t)(addr >> 32),
		.data = data,
	};

	if (ioctl(to_kvm(accel)->vm_fd, KVM_SIGNAL_MSI, &msi) < 0)
		return -errno;
	return 0;
}

static void pin_entries(struct kvm_irq_routing *t)
{
	unsigned int gsi;

	for (gsi = 0; gsi < IRQ_PINS; gsi++) {
		t->entries[t->nr++] = (struct kvm_irq_routing_entry){
			.gsi = gsi,
			.type = KVM_IRQ_ROUTING_IRQCHIP,
			.u.irqchip = { KVM_IRQCHIP_IOAPIC, gsi },
		};
		if (gsi >= PIC_PINS)
			continue;
		t->entries[t->nr++] = (struct kvm_irq_routing_entry){
			.gsi = gsi,
			.type = KVM_IRQ_ROUTING_IRQCHIP,
			.u.irqchip = { gsi < 8 ? KVM_IRQCHIP_PIC_MASTER :
						 KVM_IRQCHIP_PIC_SLAVE,
				       gsi % 8 },
		};
	}
}

int kvm_routes_alloc(struct kvm *kvm)
{
	kvm->routes =
		calloc(1, sizeof(*kvm->routes) +
				  (PIN_ENTRIES + MAX_MESSAGES) *
					  sizeof(kvm->routes->entries[0]));
	return kvm->routes ? 0 : -ENOMEM;
}

/* The entry of a message, or a new one if @gsi is -1; NULL: no room. */
static struct kvm_irq_routing_entry *entry_of(struct kvm *kvm, int gsi)
{
	struct kvm_irq_routing *t = kvm->routes;
	struct kvm_irq_routing_entry *e;
	uint32_t next = IRQ_PINS;

	if (t->nr < PIN_ENTRIES)
		pin_entries(t);
	/* Messages are in the order of their GSIs: the first gap is free. */
	for (e = t->entries + PIN_ENTRIES; e < t->entries + t->nr; e++) {
		if (gsi >= 0 ? e->gsi == (uint32_t)gsi : e->gsi != next)
			break;
		next++;
	}
	if (gsi >= 0)
		return e < t->entries + t->nr ? e : NULL;
	if (t->nr == PIN_ENTRIES + MAX_MESSAGES)
		return NULL;
	memmove(e + 1, e, (size_t)(t->entries + t->nr++ - e) * sizeof(*e));
	*e = (struct kvm_irq_routing_entry){
		.gsi = next,
		.type = KVM_IRQ_ROUTING_MSI,
	};
	return e;
}

static void entry_remove(struct kvm_irq_routing *t,
			 struct kvm_irq_routing_entry *e)
{
	memmove(e, e + 1, (size_t)(t->entries + --t->nr - e) * sizeof(*e));
}

int kvm_msi_route(struct accel *accel, int *gsi, uint64_t addr, uint32_t data)
{
	struct kvm *kvm = to_kvm(accel);
	struct kvm_irq_routing_entry *e;
	int rc = 0;

	pthread_mutex_lock(&kvm->route_lock);
	e = entry_of(kvm, *gsi);
	if (!e) {
		rc = -ENOSPC;
		goto out;
	}
	e->u.msi.address_lo = (uint32_t)addr;
	e->u.msi.address_hi = (uint32_t)(addr >> 32);
	e->u.msi.data = data;
	if (ioctl(kvm->vm_fd, KVM_SET_GSI_ROUTING, kvm->routes)) {
		rc = -errno;
		if (*gsi < 0)
			entry_remove(kvm->routes, e);
		goto out;
	}
	*gsi = (int)e->gsi;
out:
	pthread_mutex_unlock(&kvm->route_lock);
	return rc;
}

/* KVM hears of it with the next change: nobody raises it any more. */
void kvm_msi_unroute(struct accel *accel, int gsi)
{
	struct kvm *kvm = to_kvm(accel);
	struct kvm_irq_routing_entry *e;

	pthread_mutex_lock(&kvm->route_lock);
	e = entry_of(kvm, gsi);
	if (e)
		entry_remove(kvm->routes, e);
	pthread_mutex_unlock(&kvm->route_lock);
}

int kvm_irqfd(struct accel *accel, unsigned int gsi, int eventfd,
	      int resamplefd, bool remove)
{
	struct kvm_irqfd irqfd = {
		.fd = (uint32_t)eventfd,
		.gsi = gsi,
		.flags = remove ? KVM_IRQFD_FLAG_DEASSIGN : 0,
	};

	if (resamplefd >= 0) {
		irqfd.flags |= KVM_IRQFD_FLAG_RESAMPLE;
		irqfd.resamplefd = (uint32_t)resamplefd;
	}
	if (ioctl(to_kvm(accel)->vm_fd, KVM_IRQFD, &irqfd))
		return -errno;
	return 0;
}
