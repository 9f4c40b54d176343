/// What banks and agencies call things at the head of a column.
enum ColumnNames {
    /// Names under which a field is known, as ``plain(_:)`` makes them; the best first.
    static func of(_ target: String) -> [String] {
        let place = target.split(separator: ".").last.map { "location.\($0)" } ?? target
        return englishNames(of: target) + (german[target] ?? german[place] ?? [])
    }

    /// A name without case, marks and accents, umlauts spelled out: `Währung` is `waehrung`.
    static func plain(_ name: String) -> String {
        var plain = ""
        for character in name.lowercased() {
            switch character {
            case "ä": plain += "ae"
            case "ö": plain += "oe"
            case "ü": plain += "ue"
            case "ß": plain += "ss"
            default: if character.isASCII, character.isLetter || character.isNumber { plain.append(character) }
            }
        }
        return plain
    }

    /// What the time of day is called that belongs to a date, by its date's name; the best first.
    static func timesOfDay(beside date: String) -> [String] {
        let date = plain(date)
        let own = [("date", "time"), ("datum", "uhrzeit"), ("datum", "zeit"), ("tag", "uhrzeit"), ("tag", "zeit")].filter { date.contains($0.0) }
        return own.map { date.replacing($0.0, with: $0.1) }
    }

    /// What it is called where the file has one only.
    static let timesOfDay = ["time", "timeofday", "uhrzeit", "zeit"]

    private static func englishNames(of target: String) -> [String] {
        if target.hasSuffix(".latitude") { return ["latitude", "lat", "maplatitude", "y", "ycoord"] }
        if target.hasSuffix(".longitude") { return ["longitude", "lon", "lng", "long", "maplongitude", "x", "xcoord"] }
        return english[target] ?? [plain(target)]
    }

    private static let english: [String: [String]] = [
        "bank_id": ["bankid", "bankcode"],
        "transaction_id": [
            "transactionid", "txid", "txnid", "transid", "transnum", "transactionreference", "txnref", "txref", "paymentid", "paymentreference",
            "paymentref", "reference", "utr", "uetr", "id",
        ],
        "event_time": [
            "eventtime", "txdatetime", "transactiontime", "transactiondate", "transactiondatetime", "transdatetranstime", "timestamp", "datetime",
            "ts", "txnts", "txndatetime", "txntime", "txndate", "paymenttime", "paymentdate", "transdate", "createdat", "bookedat", "bookingdate",
            "postingdate", "valuedate", "time", "date",
        ],
        "time_zone": ["timezone", "tz", "timezonename", "timezoneid", "utcoffset"],
        "customer_id": ["customerid", "custid", "clientid", "nameorig", "userid", "customer", "client", "cardholder", "payerid", "payer"],
        "account_id": ["accountid", "accountnumber", "debtoraccount", "debitaccount", "accountiban", "iban", "account", "fromaccount", "sender"],
        "card_id": ["cardid", "cardnumber", "ccnum", "pan", "card1", "card"],
        "terminal_id": ["terminalid", "atmid", "posid", "terminal", "merchantid", "merchant", "objectid"],
        "merchant_id": ["merchantid", "merchant", "cardacceptorid", "acceptorid", "merchantname", "shopid", "shop", "payee"],
        "merchant_category_code": ["merchantcategorycode", "mcc", "merchantcategory", "mcccode", "categorycode"],
        "counterparty_account_id": [
            "counterpartyaccountid", "counterpartyaccount", "creditoraccount", "beneficiaryaccount", "namedest", "toaccount", "payeeaccount",
            "receiver",
        ],
        "device_id": ["deviceid", "device", "imei", "deviceinfo"],
        "details.ip_address": ["ipaddress", "ip", "ipaddr", "clientip", "sourceip"],
        "details.email": ["email", "emailaddress", "mail", "customeremail"],
        "details.phone": ["phone", "phonenumber", "mobile", "mobilenumber", "msisdn", "customerphone"],
        "details.debtor_agent_bic": ["debtoragentbic", "debtorbic", "senderbic", "bic"],
        "details.creditor_agent_bic": ["creditoragentbic", "creditorbic", "receiverbic", "beneficiarybic", "counterpartybic"],
        "channel": ["channel", "type", "paymentchannel"],
        "amount": ["amount", "txamount", "transactionamount", "transactionamt", "amt", "sum", "value", "loss", "minorunits", "cents"],
        "currency": ["currency", "currencycode", "ccy", "curr"],
        "is_fraud": ["isfraud", "txfraud", "fraud", "label", "class"],
        "known_at": ["knownat", "reportedat", "chargebackdate"],
        "source": ["source"],
        "kind": ["kind", "type"],
        "institution": ["institution", "bank", "bankname", "operator", "brand", "nameofinstitution"],
        "address": ["address", "streetaddress", "street"],
        "city": ["city", "town"],
        "complaint_id": ["complaintid", "incidentid", "incident", "casenumber", "caseid", "offenseid", "id"],
        "crime_type": ["crimetype", "nibrsdescription", "offense", "offence", "primarytype", "category", "type"],
        "occurred_at": ["occurredat", "occurrencedate", "incidentdate", "date", "datetime", "rmsoccurrencedate"],
        "reported_at": ["reportedat", "reportdate", "reporteddate"],
        "district": ["district", "beat", "precinct", "division"],
        "jurisdiction_id": ["jurisdictionid", "districtid", "precinctid", "beatid", "id", "code"],
        "name": ["name", "districtname", "label", "title"],
        "rings": ["geometry", "rings", "area", "shape"],
        "signal_id": ["signalid", "eventid", "id"],
        "starts_at": ["startsat", "startdate", "start", "date"],
        "ends_at": ["endsat", "enddate", "end"],
        "value": ["value", "level"],
    ]

    /// As banks in Germany, Austria and Switzerland head their exports (CSV-CAMT among them).
    private static let german: [String: [String]] = [
        "bank_id": ["bankleitzahl", "blz", "institutskennung"],
        "transaction_id": [
            "transaktionsid", "transaktionsnummer", "umsatzid", "umsatznummer", "buchungsnummer", "buchungsid", "kundenreferenzendtoend",
            "kundenreferenz", "endtoendreferenz", "referenznummer", "vorgangsnummer", "referenz",
        ],
        "event_time": [
            "transaktionszeitpunkt", "transaktionsdatum", "transaktionszeit", "zeitstempel", "buchungszeitpunkt", "zeitpunkt",
            "datumuhrzeit", "umsatzdatum", "kaufdatum", "belegdatum", "buchungsdatum", "buchungstag", "valutadatum", "wertstellung", "valuta",
            "datum",
        ],
        "time_zone": ["zeitzone"],
        "customer_id": ["kundennummer", "kundenid", "kundennr", "kunde", "karteninhaber", "kontoinhaber", "auftraggeber"],
        "account_id": ["kontonummer", "auftragskonto", "kontonr", "auftraggeberkonto", "ibanauftragskonto", "absenderkonto", "konto"],
        "card_id": ["kartennummer", "kartennr", "kartenid", "karte", "kreditkarte"],
        "terminal_id": [
            "terminalkennung", "terminalnummer", "automatennummer", "geldautomat", "automat", "standortid", "haendlernummer", "haendlerid",
            "haendler",
        ],
        "merchant_id": ["haendlerid", "haendlernummer", "haendler", "vertragsunternehmen"],
        "merchant_category_code": ["haendlerkategorie", "branchencode", "branchenschluessel", "branche"],
        "counterparty_account_id": [
            "empfaengerkonto", "kontonummeriban", "gegenkonto", "ibanempfaenger", "ibanzahlungsempfaenger", "empfaengeriban", "zielkonto",
            "ibanzahlungsbeteiligter",
        ],
        "device_id": ["geraeteid", "geraetekennung", "geraet"],
        "channel": ["kanal", "zahlungsart", "zahlungsweg", "umsatztyp", "umsatzart", "buchungstext"],
        "amount": ["betrag", "umsatz", "betragineur", "betrageur", "transaktionsbetrag", "summe", "schadenssumme", "schaden"],
        "currency": ["waehrung", "waehrungscode", "whrg"],
        "location.latitude": ["breitengrad", "geobreite", "breite"],
        "location.longitude": ["laengengrad", "geolaenge", "laenge"],
        "is_fraud": ["betrug", "istbetrug", "betrugskennzeichen", "betrugsfall"],
        "known_at": ["bekanntseit", "gemeldetam", "meldedatum"],
        "source": ["quelle"],
        "kind": ["art", "typ"],
        "institution": ["institut", "bank", "betreiber", "kreditinstitut"],
        "address": ["anschrift", "adresse", "strasse"],
        "city": ["ort", "stadt", "wohnort"],
        "complaint_id": ["aktenzeichen", "vorgangsnummer", "anzeigennummer", "fallnummer"],
        "crime_type": ["delikt", "deliktsart", "straftat", "tatbestand"],
        "occurred_at": ["tatzeit", "tatzeitpunkt", "tatdatum"],
        "reported_at": ["anzeigedatum", "anzeigezeit", "gemeldetam"],
        "district": ["bezirk", "revier", "dienststelle", "inspektion"],
        "signal_id": ["ereignisid", "veranstaltungsid"],
        "starts_at": ["beginn", "startdatum", "anfang", "von"],
        "ends_at": ["ende", "enddatum", "bis"],
        "value": ["wert", "stufe"],
    ]
}
