// The part of libxml2's reader that is used here (libxml/xmlreader.h). Its own headers bring in ICU's, which clash with those of
// Foundation.
#pragma once

typedef struct _xmlTextReader *xmlTextReaderPtr;
typedef int (*xmlInputReadCallback)(void *context, char *buffer, int len);
typedef int (*xmlInputCloseCallback)(void *context);
typedef void (*xmlTextReaderErrorFunc)(void *arg, const char *msg, int severity, void *locator);

// xmlParserOption
enum { VIGIL_XML_PARSE_NONET = 1 << 11, VIGIL_XML_PARSE_NOCDATA = 1 << 14 };

// xmlReaderTypes
enum {
    VIGIL_XML_ELEMENT = 1, VIGIL_XML_TEXT = 3, VIGIL_XML_CDATA = 4, VIGIL_XML_ENTITY_REFERENCE = 5, VIGIL_XML_ENTITY = 6,
    VIGIL_XML_DOCUMENT_TYPE = 10, VIGIL_XML_SIGNIFICANT_WHITESPACE = 14, VIGIL_XML_END_ELEMENT = 15
};

xmlTextReaderPtr xmlReaderForIO(
    xmlInputReadCallback ioread, xmlInputCloseCallback ioclose, void *ioctx, const char *URL, const char *encoding, int options);
void xmlFreeTextReader(xmlTextReaderPtr reader);
void xmlTextReaderSetErrorHandler(xmlTextReaderPtr reader, xmlTextReaderErrorFunc f, void *arg);
int xmlTextReaderRead(xmlTextReaderPtr reader);
int xmlTextReaderNodeType(xmlTextReaderPtr reader);
int xmlTextReaderIsEmptyElement(xmlTextReaderPtr reader);
int xmlTextReaderGetParserLineNumber(xmlTextReaderPtr reader);
long xmlTextReaderByteConsumed(xmlTextReaderPtr reader);
const unsigned char *xmlTextReaderConstLocalName(xmlTextReaderPtr reader);
const unsigned char *xmlTextReaderConstValue(xmlTextReaderPtr reader);
unsigned char *xmlTextReaderGetAttribute(xmlTextReaderPtr reader, const unsigned char *name);

extern void (*xmlFree)(void *memory);
static inline void vigil_xml_free(void *memory) { xmlFree(memory); }
