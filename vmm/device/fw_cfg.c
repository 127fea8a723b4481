// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * fw_cfg: items that the guest selects by number and reads byte by byte, or in
 * one go by a DMA command in its memory (QEMU, docs/specs/fw_cfg).
 *
 *   510h  selector, 16 bits, written
 *   511h  data, 8 bits, read; reads past the end give zeros
 *   514h  DMA address, 64 bits, big-endian; the low half at 518h starts it
 *
 * Items are read-only: writes by data port are ignored, those by DMA fail.
 *
 * There are no rules for it: guests read the data port by rep insb, of which up
 * to 1024 bytes are one exit, and DMA must be done before the guest goes on.
 */
#include "fw_cfg.h"

#include <endian.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <asm/bootparam.h>

#include "boot/memmap.h"
#include "config.h"
#include "devices.h"
#include "error.h"
#include "log.h"
#include "state.h"
#include "vm.h"

#define FW_CFG_PORT 0x510
#define FW_CFG_PORTS 12
#define REG_DATA 1
#define REG_DMA_HIGH 4
#define REG_DMA_LOW 8

/* Item numbers. */
#define KEY_SIGNATURE 0x00
#define KEY_ID 0x01
#define KEY_UUID 0x02
#define KEY_RAM_SIZE 0x03
#define KEY_NB_CPUS 0x05
#define KEY_MAX_CPUS 0x0f
#define KEY_FILE_DIR 0x19
#define KEY_FILE_FIRST 0x20

#define ID_TRADITIONAL (1 << 0)
#define ID_DMA (1 << 1)

#define DMA_SIGNATURE 0x51454d5520434647ULL /* "QEMU CFG" */
#define DMA_ERROR (1 << 0)
#define DMA_READ (1 << 1)
#define DMA_SKIP (1 << 2)
#define DMA_SELECT (1 << 3)
#define DMA_WRITE (1 << 4)

#define MAX_ITEMS 24
#define MAX_FILES 16
#define NAME_SIZE 56

struct item {
	uint16_t key;
	uint32_t len;
	const void *data;
};

/* All of it big-endian. */
struct file_entry {
	uint32_t size;
	uint16_t select;
	uint16_t reserved;
	char name[NAME_SIZE];
};

struct file_dir {
	uint32_t count;
	struct file_entry files[MAX_FILES];
};

struct dma_access {
	uint32_t control;
	uint32_t length;
	uint64_t address;
};

struct fw_cfg {
	struct device dev;
	struct bus_range range;
	struct log_limit limit;

	/* Fixed once the VM is built. */
	unsigned int nr_items;
	struct item items[MAX_ITEMS];
	unsigned int nr_files;
	struct file_dir dir;
	uint32_t id;
	uint8_t uuid[16];
	uint64_t ram_size;
	uint16_t nr_cpus;
	struct boot_e820_entry e820[MEMMAP_MAX];

	/* Under dev.lock. */
	const struct item *selected; /* NULL: there is no such item */
	uint32_t pos;
	uint32_t dma_high;
	uint16_t key; /* of selected */
};

static struct fw_cfg *to_fw_cfg(struct device *dev)
{
	return (struct fw_cfg *)dev;
}

static void add_item(struct fw_cfg *fw, uint16_t key, const void *data,
		     size_t len)
{
	fw->items[fw->nr_items++] = (struct item){
		.key = key,
		.len = (uint32_t)len,
		.data = data,
	};
}

int fw_cfg_add_file(struct device *dev, const char *name, const void *data,
		    size_t len, struct error *err)
{
	struct fw_cfg *fw = to_fw_cfg(dev);
	struct file_entry *file = &fw->dir.files[fw->nr_files];
	unsigned int i;

	if (!*name || strlen(name) >= NAME_SIZE || len > UINT32_MAX)
		return error_set(err, EINVAL, "fw_cfg: bad file '%s'", name);
	for (i = 0; i < fw->nr_files; i++)
		if (!strcmp(fw->dir.files[i].name, name))
			return error_set(err, EEXIST,
					 "fw_cfg: there is a file '%s' already",
					 name);
	if (fw->nr_files == MAX_FILES || fw->nr_items == MAX_ITEMS)
		return error_set(err, ENOSPC, "fw_cfg: no room for file '%s'",
				 name);

	add_item(fw, (uint16_t)(KEY_FILE_FIRST + fw->nr_files), data, len);
	file->size = htobe32((uint32_t)len);
	file->select = htobe16((uint16_t)(KEY_FILE_FIRST + fw->nr_files));
	memcpy(file->name, name, strlen(name) + 1);
	fw->nr_files++;
	fw->dir.count = htobe32(fw->nr_files);
	return 0;
}

static void select_item(struct fw_cfg *fw, uint16_t key)
{
	unsigned int i;

	fw->pos = 0;
	fw->selected = NULL;
	for (i = 0; i < fw->nr_items; i++)
		if (fw->items[i].key == key)
			fw->selected = &fw->items[i];
}

/* How many of @len bytes are left in the selected item. */
static uint32_t item_left(const struct fw_cfg *fw, uint32_t len)
{
	uint32_t left = fw->selected ? fw->selected->len - fw->pos : 0;

	return len < left ? len : left;
}

/* Copies what is left of the item; behind its end there are zeros. */
static void item_read(struct fw_cfg *fw, uint8_t *buf, uint32_t len)
{
	uint32_t n = item_left(fw, len);

	if (n)
		memcpy(buf, (const uint8_t *)fw->selected->data + fw->pos, n);
	memset(buf + n, 0, len - n);
	fw->pos += n;
}

/* Carries out one command; 0, or why it cannot be done. */
static const char *dma_command(struct fw_cfg *fw, const struct dma_access *cmd)
{
	uint32_t control = be32toh(cmd->control);
	uint32_t len = be32toh(cmd->length);
	void *buf;

	if (control & DMA_SELECT)
		select_item(fw, (uint16_t)(control >> 16));
	if (control & DMA_READ) {
		if (!len)
			return NULL;
		buf = mem_ptr(&fw->dev.vm->mem, be64toh(cmd->address), len,
			      MEM_WRITE);
		if (!buf)
			return "a read to where there is no RAM";
		item_read(fw, buf, len);
		mem_written(&fw->dev.vm->mem, buf, len);
	} else if (control & DMA_WRITE) {
		return "a write to a read-only item";
	} else if (control & DMA_SKIP) {
		fw->pos += item_left(fw, len);
	}
	return NULL;
}

static void dma(struct fw_cfg *fw, uint64_t gpa)
{
	struct mem *mem = &fw->dev.vm->mem;
	struct dma_access cmd;
	const char *why = "a command outside of RAM";
	uint32_t done;

	if (!mem_read(mem, gpa, &cmd, sizeof(cmd))) {
		why = dma_command(fw, &cmd);
		done = htobe32(why ? DMA_ERROR : 0);
		mem_write(mem, gpa + offsetof(struct dma_access, control),
			  &done, sizeof(done));
	}
	if (why)
		log_guest(&fw->limit, fw->dev.id, "DMA at %#llx: %s",
			  (unsigned long long)gpa, why);
}

static uint64_t fw_cfg_read(void *dev, uint64_t off, unsigned int size)
{
	struct fw_cfg *fw = dev;
	uint64_t sig = htobe64(DMA_SIGNATURE);
	uint8_t byte;

	if (off == REG_DATA && size == 1) {
		item_read(fw, &byte, 1);
		return byte;
	}
	if (off >= REG_DMA_HIGH && size < 8)
		return sig >> (off - REG_DMA_HIGH) * 8 &
		       ((1ULL << size * 8) - 1);
	if (off == REG_DMA_HIGH)
		return sig;
	return UINT64_MAX;
}

static void fw_cfg_write(void *dev, uint64_t off, unsigned int size,
			 uint64_t val)
{
	struct fw_cfg *fw = dev;
	uint64_t gpa;

	if (off == 0 && size == 2) {
		select_item(fw, (uint16_t)val);
	} else if (off == REG_DMA_HIGH && size == 4) {
		fw->dma_high = be32toh((uint32_t)val);
	} else if (off == REG_DMA_LOW && size == 4) {
		gpa = (uint64_t)fw->dma_high << 32 | be32toh((uint32_t)val);
		fw->dma_high = 0;
		dma(fw, gpa);
	} else if (off == REG_DMA_HIGH && size == 8) {
		dma(fw, be64toh(val));
	}
}

static const struct bus_ops fw_cfg_ops = {
	.read = fw_cfg_read,
	.write = fw_cfg_write,
};

static void fw_cfg_reset(struct device *dev)
{
	struct fw_cfg *fw = to_fw_cfg(dev);

	select_item(fw, KEY_SIGNATURE);
	fw->dma_high = 0;
}

static int add_e820(struct fw_cfg *fw, struct error *err)
{
	struct memmap map;
	unsigned int i;

	memmap_build(&map, &fw->dev.vm->mem);
	for (i = 0; i < map.nr; i++)
		fw->e820[i] = (struct boot_e820_entry){
			.addr = map.entries[i].base,
			.size = map.entries[i].len,
			.type = map.entries[i].type,
		};
	return fw_cfg_add_file(&fw->dev, "etc/e820", fw->e820,
			       map.nr * sizeof(fw->e820[0]), err);
}

/* Its bytes in the order of its digits, each of which has been checked. */
static void set_uuid(struct fw_cfg *fw, const char *text)
{
	size_t i;

	for (i = 0; text && i < sizeof(fw->uuid); i++) {
		text += *text == '-';
		sscanf(text, "%2hhx", &fw->uuid[i]);
		text += 2;
	}
}

static int fw_cfg_realize(struct device *dev, const void *config,
			  struct error *err)
{
	struct fw_cfg *fw = to_fw_cfg(dev);
	struct vm *vm = dev->vm;
	int ret;

	(void)config;
	fw->id = ID_TRADITIONAL | ID_DMA;
	fw->ram_size = vm->mem.size;
	fw->nr_cpus = (uint16_t)vm->cfg->cpus;
	set_uuid(fw, vm->cfg->uuid);
	add_item(fw, KEY_SIGNATURE, "QEMU", 4);
	add_item(fw, KEY_ID, &fw->id, sizeof(fw->id));
	add_item(fw, KEY_UUID, fw->uuid, sizeof(fw->uuid));
	add_item(fw, KEY_RAM_SIZE, &fw->ram_size, sizeof(fw->ram_size));
	add_item(fw, KEY_NB_CPUS, &fw->nr_cpus, sizeof(fw->nr_cpus));
	add_item(fw, KEY_MAX_CPUS, &fw->nr_cpus, sizeof(fw->nr_cpus));
	add_item(fw, KEY_FILE_DIR, &fw->dir, sizeof(fw->dir));
	ret = add_e820(fw, err);
	if (ret)
		return ret;

	fw->range = (struct bus_range){
		.name = dev->id,
		.base = FW_CFG_PORT,
		.len = FW_CFG_PORTS,
		.ops = &fw_cfg_ops,
		.dev = fw,
		.lock = &dev->lock,
	};
	return bus_insert(&vm->pio, &fw->range, err);
}

static const struct state_field fw_cfg_fields[] = {
	{ STATE_U(struct fw_cfg, key) },
	{ STATE_U(struct fw_cfg, pos) },
	{ STATE_U(struct fw_cfg, dma_high) },
	{ 0 },
};

static int fw_cfg_loaded(void *obj, struct error *err)
{
	struct fw_cfg *fw = obj;
	uint32_t pos = fw->pos;

	(void)err;
	pthread_mutex_lock(&fw->dev.lock);
	select_item(fw, fw->key);
	fw->pos = pos;
	pthread_mutex_unlock(&fw->dev.lock);
	return 0;
}

static const struct state_table fw_cfg_state = {
	.version = 1,
	.fields = fw_cfg_fields,
	.loaded = fw_cfg_loaded,
};

static void fw_cfg_unrealize(struct device *dev)
{
	bus_remove(&dev->vm->pio, &to_fw_cfg(dev)->range);
}

const struct dev_class fw_cfg_class = {
	.name = "fw_cfg",
	.size = sizeof(struct fw_cfg),
	.realize = fw_cfg_realize,
	.reset = fw_cfg_reset,
	.state = &fw_cfg_state,
	.unrealize = fw_cfg_unrealize,
};
