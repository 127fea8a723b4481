// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Functions of bus 0 that come and go, by the registers of device/hotplug.c:
 * each that is there is given addresses and a queue with one buffer, and used;
 * what is to go is ejected, and still used as if it were there.  wild=1: ejects
 * all slots, asked or not, and writes to the registers what has no
 * meaning.
 */
#include "virtio.h"

#define UP 0xcc0
#define DOWN 0xcc4
#define EJECT 0xcc8
#define FIRST 1
#define LAST 30
#define VIRTIO 0x1af4

/* Of slot N. */
#define MEMORY(n) (0xd0000000 + (n)*0x200000)
#define PORTS(n) (0x3000 + (n)*0x100)

/* Of the common configuration (virtio 1.2, 4.1.4.3). */
#define GFSELECT 8
#define GF 12
#define STATUS 20
#define Q_SELECT 22
#define Q_SIZE 24
#define Q_ENABLE 28
#define Q_DESC 32
#define Q_AVAIL 40
#define Q_USED 48

#define RING 4

static struct ring {
	struct desc desc[RING] __attribute__((aligned(4096)));
	struct {
		uint16_t flags, idx, ring[RING];
	} avail;
	struct {
		uint16_t flags, idx;
		struct {
			uint32_t id, len;
		} ring[RING];
	} used __attribute__((aligned(4)));
	uint8_t room[64];
} rings[LAST + 1];

static void place(uint32_t slot)
{
	uint32_t dev = DEVFN(slot, 0);

	pci_write(dev, BAR1, MEMORY(slot) + 0x100000);
	pci_write(dev, BAR2, PORTS(slot));
	pci_write(dev, BAR4, MEMORY(slot));
	pci_write(dev, BAR4 + 4, 0);
	pci_write(dev, COMMAND, 7);
}

static void use(uint32_t slot)
{
	uint32_t at = MEMORY(slot);
	struct ring *r = &rings[slot];

	set8(at + STATUS, 0);
	set8(at + STATUS, 3);
	set32(at + GFSELECT, 1);
	set32(at + GF, 1); /* VERSION_1 */
	set8(at + STATUS, 11);
	set16(at + Q_SELECT, 0);
	set16(at + Q_SIZE, RING);
	set32(at + Q_DESC, (uintptr_t)r->desc);
	set32(at + Q_AVAIL, (uintptr_t)&r->avail);
	set32(at + Q_USED, (uintptr_t)&r->used);
	r->desc[0].addr = (uintptr_t)r->room;
	r->desc[0].len = sizeof(r->room);
	r->desc[0].flags = F_WRITE;
	r->avail.idx = 1;
	set16(at + Q_ENABLE, 1);
	set8(at + STATUS, 15);
	set16(at + 0x3000, 0);
	outw(PORTS(slot), 0);
	get32(at + 0x1000);
}

static void use_all(void)
{
	uint32_t slot;

	for (slot = FIRST; slot <= LAST; slot++)
		if ((pci_read(DEVFN(slot, 0), 0) & 0xffff) == VIRTIO) {
			place(slot);
			use(slot);
		}
}

static void go_wild(void)
{
	uint32_t port;

	outl(EJECT, 0xffffffff);
	for (port = UP; port < EJECT + 4; port++) {
		outb(port, 0xff);
		outw(port, 0xffff);
		inb(port);
		inw(port);
	}
	outl(UP, 0xffffffff);
	outl(DOWN, 0xffffffff);
	outl(EJECT - 2, 0xffffffff);
	outl(EJECT + 2, 0xffffffff);
}

void main(const struct start_info *info)
{
	uint32_t wild = option(info, "wild", 0), slot, down;

	print("plugs\n");
	for (;;) {
		inl(UP);
		down = inl(DOWN);
		use_all();
		if (wild)
			go_wild();
		else if (down)
			outl(EJECT, down);
		for (slot = FIRST; slot <= LAST; slot++)
			if (down & 1U << slot)
				use(slot);
	}
}
